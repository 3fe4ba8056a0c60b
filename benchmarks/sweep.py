"""All residual-stream patches and all heads of a GPT-2-small, beside TransformerLens and nnsight on the same weights.

``pip install "transformer-lens<4" nnsight`` first: version 4 no longer has an implementation of its own. Random
weights, so nothing is downloaded. Every program is given one sweep to warm up; then they take turns, and the least time
counts. A forward-equivalent is the time of one plain forward pass of that program's own model on the same batch, with
all of its logits. mechint makes the logits of the metric's two tokens alone, as its metric ``logit_diff`` does.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from mechint.circuit.space import Site
from mechint.journal import Journal
from mechint.search.sweep import Cell, Patch, activations, run_base, sweep
from mechint.subject.load import load_subject
from mechint.subject.readout import Readout
from mechint.subject.subject import Subject
from mechint.task.examples import Examples

BATCH, LENGTH, LAYERS, HEADS, WIDTH, VOCAB = 4, 15, 12, 12, 64, 50257
RIGHT, WRONG = 5, 7
"""Tokens whose logits' difference at the last position is the metric."""

Sweeps = Mapping[str, Callable[[], torch.Tensor]]
"""By name: each gives the mean metric of every patch."""


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--peers", nargs="*", default=["transformer_lens", "nnsight"])
    options.add_argument(
        "--one-token", action="store_true", help="clean and corrupted differ at the middle token alone"
    )
    chosen = options.parse_args()
    model = _random_gpt2()
    tokens = torch.randint(VOCAB, (2, BATCH, LENGTH), generator=torch.Generator().manual_seed(1))
    if chosen.one_token:
        same = torch.arange(LENGTH) != LENGTH // 2
        tokens[0, :, same] = tokens[1, :, same]
    programs = {"mechint": _ours(model, *tokens)}
    if "transformer_lens" in chosen.peers:
        programs["TransformerLens"] = _transformer_lens(model, *tokens)
    if "nnsight" in chosen.peers:
        programs["nnsight"] = _nnsight(model, *tokens)
    _print(programs, chosen.rounds)


def _random_gpt2() -> Any:
    torch.manual_seed(0)
    config = AutoConfig.for_model("gpt2", bos_token_id=None, eos_token_id=None, pad_token_id=None)
    model = AutoModelForCausalLM.from_config(config).eval().requires_grad_(requires_grad=False)
    for weight in model.parameters():
        weight += 0.02 * torch.randn_like(weight)
    return model


def _difference(last: torch.Tensor) -> torch.Tensor:
    """The metric ``[b]`` of logits ``[b v]``."""
    return last[:, RIGHT] - last[:, WRONG]


def _ours(model: Any, clean: torch.Tensor, corrupted: torch.Tensor) -> Sweeps:
    tables = importlib.import_module("mechint.plugins.architectures").mechint_architectures()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        subject = load_subject(folder, tables)
    last = torch.zeros(BATCH, LENGTH, dtype=torch.bool)
    last[:, -1] = True
    ran, given = (Examples(tokens=tokens, targets=tokens, scored=last) for tokens in (corrupted, clean))

    def at(position: int) -> torch.Tensor:
        where = torch.zeros_like(last)
        where[:, position] = True
        return where

    streams: list[Cell] = [
        (Patch(site=Site(layer, "resid_pre"), where=at(position)),)
        for layer in range(LAYERS)
        for position in range(LENGTH)
    ]
    heads: list[Cell] = [
        (Patch(site=Site(layer, "z"), units=slice(WIDTH * head, WIDTH * (head + 1))),)
        for layer in range(LAYERS)
        for head in range(HEADS)
    ]
    return {
        "forward": lambda: subject.logits(corrupted),
        "residual stream": lambda: _sweep(subject, ran, given, "resid_pre", streams),
        "heads": lambda: _sweep(subject, ran, given, "z", heads),
    }


def _sweep(subject: Subject, ran: Examples, given: Examples, kind: str, cells: list[Cell]) -> torch.Tensor:
    def read(readout: Readout, examples: Examples) -> torch.Tensor:
        right, wrong = readout.logits_of(torch.tensor([[RIGHT, WRONG]]).expand(len(examples), -1)).unbind(1)
        return right - wrong

    source = activations(subject, given, [Site(layer, kind) for layer in range(LAYERS)])
    return sweep(subject, run_base(subject, ran), source, cells, read, Journal()).mean(1)


def _transformer_lens(model: Any, clean: torch.Tensor, corrupted: torch.Tensor) -> Sweeps:
    lens = importlib.import_module("transformer_lens")
    patching = importlib.import_module("transformer_lens.patching")
    weight_conversions = importlib.import_module("transformer_lens.pretrained.weight_conversions")
    sizes = {
        "n_layers": LAYERS,
        "d_model": HEADS * WIDTH,
        "d_head": WIDTH,
        "n_heads": HEADS,
        "d_mlp": 4 * HEADS * WIDTH,
    }
    config = lens.HookedTransformerConfig(
        **sizes, d_vocab=VOCAB, n_ctx=1024, act_fn="gelu_new", normalization_type="LN", device="cpu"
    )
    hooked = lens.HookedTransformer(config)
    hooked.load_state_dict(weight_conversions.convert_gpt2_weights(model, config), strict=False)  # it makes its masks
    hooked.eval()

    def metric(logits: torch.Tensor) -> torch.Tensor:
        return _difference(logits[:, -1]).mean()

    def cached() -> Any:
        return hooked.run_with_cache(clean)[1]

    return {
        "forward": lambda: hooked(corrupted),
        "residual stream": lambda: patching.get_act_patch_resid_pre(hooked, corrupted, cached(), metric).flatten(),
        "heads": lambda: patching.get_act_patch_attn_head_out_all_pos(hooked, corrupted, cached(), metric).flatten(),
    }


def _nnsight(model: Any, clean: torch.Tensor, corrupted: torch.Tensor) -> Sweeps:
    wrapped = importlib.import_module("nnsight").NNsight(model)
    streams, heads = _nnsight_sources(wrapped, clean)

    def residual() -> torch.Tensor:
        values = []
        for layer in range(LAYERS):
            for position in range(LENGTH):
                with wrapped.trace(corrupted):
                    wrapped.transformer.h[layer].inputs[0][0][:, position] = streams[layer][:, position]
                    last = wrapped.lm_head.output[:, -1].save()
                values.append(_difference(last).mean())
        return torch.stack(values)

    def by_head() -> torch.Tensor:
        values = []
        for layer in range(LAYERS):
            for head in range(HEADS):
                part = slice(WIDTH * head, WIDTH * (head + 1))
                with wrapped.trace(corrupted):
                    wrapped.transformer.h[layer].attn.c_proj.input[..., part] = heads[layer][..., part]
                    last = wrapped.lm_head.output[:, -1].save()
                values.append(_difference(last).mean())
        return torch.stack(values)

    return {"forward": lambda: model(corrupted).logits, "residual stream": residual, "heads": by_head}


def _nnsight_sources(wrapped: Any, clean: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    streams, heads = [], []
    for layer in range(LAYERS):
        with wrapped.trace(clean):
            stream = wrapped.transformer.h[layer].inputs[0][0].save()
            z = wrapped.transformer.h[layer].attn.c_proj.input.save()
        streams.append(stream.clone())
        heads.append(z.clone())
    return streams, heads


@torch.no_grad()
def _print(programs: Mapping[str, Sweeps], rounds: int) -> None:
    seconds: dict[tuple[str, str], float] = {}
    values: dict[tuple[str, str], torch.Tensor] = {}
    for _ in range(rounds + 1):
        for program, sweeps in programs.items():
            for name, run in sweeps.items():
                values[program, name], took = _timed(run, 10 if name == "forward" else 1)
                seconds[program, name] = min(took, seconds.get((program, name), float("inf")))
    print("| | program | seconds | forward-equivalents | times as long | largest difference |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name in ("residual stream", "heads"):
        mine = values["mechint", name]
        for program in programs:
            took = seconds[program, name]
            apart = float((values[program, name] - mine).abs().max() / mine.abs().max())
            print(
                f"| {name} | {program} | {took:.2f} | {took / seconds[program, 'forward']:.1f} | "
                f"{took / seconds['mechint', name]:.1f} | {apart:.1e} |"
            )
    print({program: round(seconds[program, "forward"], 4) for program in programs})


def _timed(run: Callable[[], torch.Tensor], times: int) -> tuple[torch.Tensor, float]:
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        value = run()
        best = min(best, time.perf_counter() - start)
    return value, best


if __name__ == "__main__":
    main()
