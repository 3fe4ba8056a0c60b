"""What a table of sites promises, tried on the model itself with a few tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.subject.intervene import capture, edited
from mechint.subject.subject import Subject

__all__ = ["Check", "check_sites"]

_EXAMPLES, _POSITIONS = 2, 6
_TOLERANCE = 1e-4
"""Of a sum, relative to its largest value; float16 and bfloat16 get their own rounding on top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One promise, and whether it held."""

    promise: str
    held: bool
    detail: str = ""


@torch.no_grad()
def check_sites(subject: Subject) -> tuple[Check, ...]:
    """Check that hooks change no bit, that every site has its shape and that the residual stream adds up."""
    generator = torch.Generator().manual_seed(0)
    positions = min(_POSITIONS, subject.shape.context)
    tokens = torch.randint(subject.shape.n_vocab, (_EXAMPLES, positions), generator=generator)
    bare = subject.logits(tokens)
    seen = capture(subject, subject.sites(), tokens)
    with edited(subject, dict.fromkeys(subject.sites(), torch.clone)):
        copied = subject.logits(tokens)
    with edited(subject, dict.fromkeys(subject.sites(), lambda activation: activation)):
        hooked = subject.logits(tokens)
    return (
        Check(promise="bit-equal outputs with every site hooked", held=torch.equal(hooked, bare)),
        Check(promise="bit-equal outputs with every site replaced by a copy", held=torch.equal(copied, bare)),
        Check(promise="bit-equal outputs after the hooks", held=torch.equal(subject.logits(tokens), bare)),
        _check_shapes(subject, seen, tokens),
        *(() if subject.architecture.post_norm else _check_sums(subject, seen)),
    )


def _check_shapes(subject: Subject, seen: Mapping[Site, Tensor], tokens: Tensor) -> Check:
    wrong = [
        f"{site} is {list(value.shape)}, expected {expected}"
        for site, value in seen.items()
        if list(value.shape) != (expected := [*tokens.shape, subject.units(site).count])
    ]
    return Check(promise="every site has its shape", held=not wrong, detail="; ".join(wrong[:3]))


def _check_sums(subject: Subject, seen: Mapping[Site, Tensor]) -> Iterator[Check]:
    layers = range(subject.shape.n_layer)
    if "resid_mid" in subject.architecture.sites:
        yield _adds_up(seen, layers, ("resid_pre", "attn_out"), "resid_mid")
        yield _adds_up(seen, layers, ("resid_mid", "mlp_out"), "resid_post")
    else:
        yield _adds_up(seen, layers, ("resid_pre", "attn_out", "mlp_out"), "resid_post")
    broken = [
        layer
        for layer in layers[1:]
        if not torch.equal(seen[Site(layer, "resid_pre")], seen[Site(layer - 1, "resid_post")])
    ]
    yield Check(promise="a block reads what the one before gave", held=not broken, detail=_listed(broken))


def _adds_up(seen: Mapping[Site, Tensor], layers: range, terms: tuple[str, ...], total: str) -> Check:
    broken = []
    for layer in layers:
        expected = seen[Site(layer, total)].float()
        found = torch.stack([seen[Site(layer, term)].float().reshape(expected.shape) for term in terms]).sum(0)
        rounding = torch.finfo(seen[Site(layer, total)].dtype).eps * len(terms)
        largest = max(float(seen[Site(layer, term)].abs().max()) for term in terms)
        if not float((found - expected).abs().max()) <= (_TOLERANCE + rounding) * max(largest, 1e-30):
            broken.append(layer)
    return Check(promise=f"{' + '.join(terms)} = {total}", held=not broken, detail=_listed(broken))


def _listed(layers: list[int]) -> str:
    return f"not in layer {', '.join(map(str, layers[:8]))}{' …' if len(layers) > 8 else ''}" if layers else ""
