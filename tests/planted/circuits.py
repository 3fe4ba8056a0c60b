"""Random transformers in which only planted units can act: channels of k and v, heads of z or neurons.

A unit acts through the weights that read it. A head or a V channel acts through its columns of the attention's output
projection, a neuron through its column of the MLP's, a K channel through the q channel beside it. The others' are zero,
so ablating them changes no bit of the logits. What is not of the planted kind stays as it was drawn and runs in every
circuit.

The task is the model's own most probable next token, so that the full model is always right. Models are drawn until
every one of the n planted units, ablated alone, costs 1/(5n) at least of what ablating all of them costs, to zero and
to the mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from mechint.circuit.space import Site, Space
from mechint.subject.intervene import edited, keep_only
from mechint.subject.nanogpt import GPT, GPTConfig
from mechint.subject.subject import Subject
from mechint.task.ablation import Ablation
from mechint.task.examples import Examples
from mechint.task.task import Task
from tests.tiny import examples_from, metric_named, subject_of

__all__ = ["Planted", "Size", "cost_of", "plant_channels", "plant_heads", "plant_neurons"]

Truth = Mapping[Site, tuple[int, ...]]

MOST_DRAWS = 1000
EXAMPLES = 64
LEAST_OF_EQUAL = 0.2
LEAST_COST = 0.2
"""Of all planted units, nats per token."""
SPREAD = 1.4
"""Deviation of what a random matrix gives for inputs of deviation 1; half of it where it writes to the stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Of a model; it is ``n_head * d_head`` wide."""

    n_layer: int = 2
    n_head: int = 4
    d_head: int = 4
    n_vocab: int = 13
    context: int = 8

    @property
    def config(self) -> GPTConfig:
        return GPTConfig(
            n_layer=self.n_layer,
            n_head=self.n_head,
            n_embd=self.n_head * self.d_head,
            block_size=self.context,
            vocab_size=self.n_vocab,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planted:
    """A model and what is known of it."""

    model: GPT
    truth: Truth
    """The units that act: channels of ``k`` and ``v``, heads of ``z``, neurons of ``mlp_post``."""
    examples: Callable[[int, int], Examples]
    """Gives so many examples of the task by a seed."""
    least_share: float
    """What the planted unit that matters least costs when it is ablated alone, as a share of what all cost together."""

    @property
    def subject(self) -> Subject:
        return subject_of(self.model)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of the planted sites, as ``Subject.space`` takes them."""
        return tuple(dict.fromkeys(site.kind for site in self.truth))

    def task(self, metric: str = "loss", *, search: int = 32, heldout: int = 16) -> Task:
        return Task(
            search=self.examples(search, 1),
            heldout=self.examples(heldout, 2),
            metric=metric_named(metric),
            description="what a planted circuit does",
        )

    def kept(self, space: Space) -> Tensor:
        """The planted units ``[n]`` of a space, whether its units are channels or heads."""
        kept = torch.zeros(space.size, dtype=torch.bool)
        views = space.split(kept)
        for units in space.sites:
            planted = list(self.truth.get(units.site, ()))
            of_heads = units.site.kind == "z" and units.grain == 1
            views[units.site].view(-1, units.width if of_heads else 1)[planted] = True
        return kept


def plant_heads(seed: int, size: Size | None = None) -> Planted:
    """One head a layer, or more up to half of them."""

    def silence(model: GPT, generator: torch.Generator) -> Truth:
        heads = _choose_heads(model, generator)
        for layer, chosen in enumerate(heads):
            columns = _attention(model, layer).c_proj.weight.unflatten(1, (model.config.n_head, -1))  # [d h k]
            columns[:, _others(chosen, model.config.n_head)] = 0
            _equal_norms(columns, chosen, 0.5)
        return {Site(layer, "z"): chosen for layer, chosen in enumerate(heads)}

    return _draw(seed, size, silence)


def plant_channels(seed: int, size: Size | None = None) -> Planted:
    """One channel of k and one of v in some heads of every layer; a channel of k moves the v of its own head."""

    def silence(model: GPT, generator: torch.Generator) -> Truth:
        truth = {}
        width = model.config.n_embd
        for layer, heads in enumerate(_choose_heads(model, generator)):
            k, v = (_channel_in_each(heads, width // model.config.n_head, generator) for _ in "kv")
            attention = _attention(model, layer)
            attention.c_attn.weight[_others(k, width)] = 0  # q comes first
            attention.c_attn.weight[list(k)] *= 1.5 * math.sqrt(width // model.config.n_head)
            attention.c_proj.weight[:, _others(v, width)] = 0
            _equal_norms(attention.c_proj.weight.unsqueeze(2), v, 0.5)
            truth |= {Site(layer, "k"): k, Site(layer, "v"): v}
        return truth

    return _draw(seed, size, silence)


def plant_neurons(seed: int, size: Size | None = None) -> Planted:
    """Two or three neurons in every layer."""

    def silence(model: GPT, generator: torch.Generator) -> Truth:
        truth = {}
        for layer in range(model.config.n_layer):
            mlp = model.get_submodule(f"transformer.h.{layer}.mlp")
            chosen = _choose(4 * model.config.n_embd, 2 + _below(2, generator), generator)
            mlp.c_proj.weight[:, _others(chosen, 4 * model.config.n_embd)] = 0
            _equal_norms(mlp.c_proj.weight.unsqueeze(2), chosen, 1.0)
            truth[Site(layer, "mlp_post")] = chosen
        return truth

    return _draw(seed, size, silence)


def cost_of(planted: Planted, dropped: Truth, ablation: str, examples: Examples) -> float:
    """What ablating some units adds to the loss, nats per token."""
    subject = planted.subject
    sites = list(dropped)
    instead = Ablation(name=ablation, subject=subject, reference=planted.examples(EXAMPLES, 3), seed=0)
    values = instead.at(sites).values(examples, range(len(examples)))
    edits = {site: keep_only(~_channels(subject, site, dropped[site]), values[site]) for site in sites}
    with torch.no_grad():
        full = subject.logits(examples.tokens)
        with edited(subject, edits):
            ablated = subject.logits(examples.tokens)
    losses = [
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), examples.targets.flatten(), ignore_index=-100).item()
        for logits in (full, ablated)
    ]
    return losses[1] - losses[0]


def _draw(seed: int, size: Size | None, silence: Callable[[GPT, torch.Generator], Truth]) -> Planted:
    """The first model of a sequence by the seed in which every planted unit matters."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(MOST_DRAWS):
        model = _random_model((size or Size()).config, generator)
        with torch.no_grad():
            truth = silence(model, generator)
        examples = partial(examples_from, model)
        planted = Planted(model=model, truth=truth, examples=examples, least_share=math.nan)
        enough = LEAST_OF_EQUAL / sum(map(len, truth.values()))
        shares = list(_shares(planted, enough))
        if shares and min(shares) >= enough:
            return replace(planted, least_share=min(shares))
    raise AssertionError(f"no model of {MOST_DRAWS} drawn with seed {seed} has units that all matter")


def _shares(planted: Planted, enough: float) -> Iterator[float]:
    """What each planted unit costs alone, of what all cost, to zero and to the mean, up to the first too little.

    It is nothing where all together cost little.
    """
    examples = planted.examples(EXAMPLES, 4)
    for ablation in ("zero", "mean"):
        together = cost_of(planted, planted.truth, ablation, examples)
        for site, unit in [(site, unit) for site, units in planted.truth.items() for unit in units]:
            share = cost_of(planted, {site: (unit,)}, ablation, examples) / together if together > LEAST_COST else 0.0
            yield share
            if share < enough:
                return


def _random_model(config: GPTConfig, generator: torch.Generator) -> GPT:
    with torch.random.fork_rng(devices=[]):
        model = GPT(config)
    model.requires_grad_(requires_grad=False)
    for name, weight in model.named_parameters():
        if weight.dim() == 2:
            spread = SPREAD / 2 if name.endswith("c_proj.weight") else SPREAD
            weight.normal_(std=spread / math.sqrt(weight.shape[1]), generator=generator)
        else:
            weight.fill_(0.0 if name.endswith("bias") else 1.0)
    return model


def _attention(model: GPT, layer: int) -> torch.nn.Module:
    return model.get_submodule(f"transformer.h.{layer}.attn")


def _choose_heads(model: GPT, generator: torch.Generator) -> list[tuple[int, ...]]:
    """For each layer one head, or more up to half of them."""
    n_head = model.config.n_head
    return [_choose(n_head, 1 + _below(n_head // 2, generator), generator) for _ in range(model.config.n_layer)]


def _channel_in_each(heads: tuple[int, ...], d_head: int, generator: torch.Generator) -> tuple[int, ...]:
    return tuple(head * d_head + _below(d_head, generator) for head in heads)


def _choose(total: int, count: int, generator: torch.Generator) -> tuple[int, ...]:
    return tuple(sorted(torch.randperm(total, generator=generator)[:count].tolist()))


def _below(bound: int, generator: torch.Generator) -> int:
    return int(torch.randint(bound, (), generator=generator))


def _others(chosen: tuple[int, ...], total: int) -> list[int]:
    return [unit for unit in range(total) if unit not in chosen]


def _equal_norms(columns: Tensor, chosen: tuple[int, ...], gain: float) -> None:
    """Make what each chosen unit writes equally large: ``columns`` ``[d n width]``."""
    d, _, width = columns.shape
    for unit in chosen:
        columns[:, unit] *= gain * math.sqrt(d * width) / columns[:, unit].norm()


def _channels(subject: Subject, site: Site, units: tuple[int, ...]) -> Tensor:
    """True at the channels ``[u]`` of some units of a site."""
    of_site = subject.units(site)
    chosen = torch.zeros(of_site.channels, dtype=torch.bool)
    chosen.view(-1, of_site.width if site.kind == "z" else 1)[list(units)] = True
    return chosen
