"""Small models with known weights, and tasks on them, for every test that needs one."""

from __future__ import annotations

import importlib

import torch

from mechint.circuit.space import Site
from mechint.subject.gpt2 import GPT2
from mechint.subject.nanogpt import GPT, UNEMBEDDING, GPTConfig, shape_of
from mechint.subject.readout import Readout
from mechint.subject.subject import Subject
from mechint.task.examples import Examples
from mechint.task.metric import Metric
from mechint.task.score import read_loss, read_scores
from mechint.task.task import Task


def subject_of(model: GPT) -> Subject:
    return Subject(
        model=model.eval().requires_grad_(requires_grad=False),
        architecture=GPT2,
        shape=shape_of(model.config),
        name="tiny.pt",
        sha256="0" * 64,
        step=None,
        unembedding=UNEMBEDDING,
    )


def random_model(*, n_layer: int = 2, kv_tied: bool = False, seed: int = 0) -> GPT:
    """Two layers, two heads of four channels, eleven tokens; weights so large that every channel matters, no biases."""
    model = GPT(GPTConfig(n_layer=n_layer, n_head=2, n_embd=8, block_size=6, vocab_size=11, kv_tied=kv_tied))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)
            else:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
    return model


PLANTED_V = {Site(0, "v"): (1, 6), Site(1, "v"): (0, 3)}
PLANTED_K = {Site(0, "k"): (2, 5), Site(1, "k"): (1, 7)}


def planted_model(seed: int = 0) -> GPT:
    """A random model in which only the planted channels can matter.

    A V channel acts only through its column of c_proj, a K channel only through the q channel beside it; the columns
    and the q rows of all others are zero.
    """
    model = random_model(seed=seed)
    d = model.config.n_embd
    with torch.no_grad():
        for layer in range(model.config.n_layer):
            attention = model.get_submodule(f"transformer.h.{layer}.attn")
            v_outside = [channel for channel in range(d) if channel not in PLANTED_V[Site(layer, "v")]]
            k_outside = [channel for channel in range(d) if channel not in PLANTED_K[Site(layer, "k")]]
            attention.c_proj.weight[:, v_outside] = 0
            attention.c_proj.weight.mul_(3)
            attention.c_attn.weight[k_outside] = 0  # q comes first
            attention.c_attn.weight[:d].mul_(3)
    return model


def metric_named(name: str) -> Metric:
    metrics = importlib.import_module("mechint.plugins.metrics").mechint_metrics()
    return next(metric for metric in metrics if metric.name == name)


def all_metrics() -> tuple[Metric, ...]:
    return tuple(importlib.import_module("mechint.plugins.metrics").mechint_metrics())


def score(name: str, logits: torch.Tensor, examples: Examples, full: torch.Tensor | None = None) -> torch.Tensor:
    """A metric's value for each example ``[b]``, of logits ``[b p v]``."""
    readout, full_readout = (_readout(given, examples) for given in (logits, logits if full is None else full))
    return read_scores([metric_named(name)], readout, examples, full_readout)[name]


def loss(name: str, logits: torch.Tensor, examples: Examples, full: torch.Tensor | None = None) -> torch.Tensor:
    """What a search minimises for a metric, for each example ``[b]``, of logits ``[b p v]``."""
    readout, full_readout = (_readout(given, examples) for given in (logits, logits if full is None else full))
    return read_loss(metric_named(name), readout, examples, full_readout)


def _readout(logits: torch.Tensor, examples: Examples) -> Readout:
    return Readout(last=logits[examples.where], unembed=None, n_vocab=logits.shape[-1])


def usable_metrics(task: Task) -> tuple[Metric, ...]:
    return tuple(metric for metric in all_metrics() if task.missing(metric) is None)


def examples_from(model: GPT, count: int, seed: int) -> Examples:
    """Random tokens with the model's own most probable next tokens as targets, so that the full model does well."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(model.config.vocab_size, (count, model.config.block_size), generator=generator)
    with torch.no_grad():
        targets = model(tokens).argmax(-1)
    return Examples(tokens=tokens, targets=targets)


def task_on(model: GPT, metric: str = "loss", *, search: int = 32, heldout: int = 16) -> Task:
    return Task(
        search=examples_from(model, search, seed=1),
        heldout=examples_from(model, heldout, seed=2),
        metric=metric_named(metric),
        description="the model's own predictions on random tokens",
    )
