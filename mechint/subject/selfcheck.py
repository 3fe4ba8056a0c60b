"""What a table of sites promises, tried on the model itself with a few tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.subject.intervene import Edit, at_heads, capture, edited, replace, within
from mechint.subject.subject import Subject

__all__ = ["Check", "check_sites"]

_EXAMPLES, _POSITIONS = 2, 6
_TOLERANCE = 1e-4
"""Of a sum, relative to its largest term; narrow types get their own rounding on top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One promise, and whether it held."""

    promise: str
    held: bool
    detail: str = ""


@torch.no_grad()
def check_sites(subject: Subject) -> tuple[Check, ...]:
    """Check that hooks change no bit, that sites have their shapes, and that they are what their names say.

    A promise about a site that the table leaves out is not tried.
    """
    generator = torch.Generator().manual_seed(0)
    positions = min(_POSITIONS, subject.shape.context)
    tokens = torch.randint(subject.shape.n_vocab, (_EXAMPLES, positions), generator=generator)
    bare = subject.logits(tokens)
    seen = capture(subject, subject.sites(), tokens)
    shapes = _check_shapes(subject, seen, tokens)
    if not shapes.held:  # the rest would compare what cannot be compared
        return (shapes,)
    return (
        *_check_bits(subject, tokens, bare),
        shapes,
        *(() if subject.architecture.post_norm else _check_sums(subject, seen)),
        *_check_carry(subject, tokens),
        *(() if subject.architecture.mixes_heads else _check_heads(subject, seen, tokens)),
        Check(promise="bit-equal outputs after all hooks", held=torch.equal(subject.logits(tokens), bare)),
    )


def _check_bits(subject: Subject, tokens: Tensor, bare: Tensor) -> Iterator[Check]:
    hooks: dict[str, Edit] = {"hooked": lambda activation: activation, "replaced by a copy": torch.clone}
    for what, edit in hooks.items():
        with edited(subject, dict.fromkeys(subject.sites(), edit)):
            same = torch.equal(subject.logits(tokens), bare)
        yield Check(promise=f"bit-equal outputs with every site {what}", held=same)


def _check_shapes(subject: Subject, seen: Mapping[Site, Tensor], tokens: Tensor) -> Check:
    wrong = [
        f"{site} is {list(value.shape)}, expected {expected}"
        for site, value in seen.items()
        if list(value.shape) != (expected := [*tokens.shape, subject.units(site).count])
    ]
    return Check(promise="every site has its shape", held=not wrong, detail="; ".join(wrong[:3]))


def _check_sums(subject: Subject, seen: Mapping[Site, Tensor]) -> Iterator[Check]:
    layers, sites = range(subject.shape.n_layer), subject.architecture.sites
    sums: dict[str, tuple[str, ...]] = {"resid_post": ("resid_pre", "attn_out", "mlp_out")}
    if "resid_mid" in sites:
        sums = {"resid_mid": ("resid_pre", "attn_out"), "resid_post": ("resid_mid", "mlp_out")}
    for total, terms in sums.items():
        if {*terms, total} <= sites.keys():
            broken = [layer for layer in layers if not _adds_up(seen, layer, terms, total)]
            yield Check(promise=f"{' + '.join(terms)} = {total}", held=not broken, detail=_layers(broken))
    if {"resid_pre", "resid_post"} <= sites.keys():
        broken = [n for n in layers[1:] if not torch.equal(seen[Site(n, "resid_pre")], seen[Site(n - 1, "resid_post")])]
        yield Check(promise="a block reads what the one before gave", held=not broken, detail=_layers(broken))


def _adds_up(seen: Mapping[Site, Tensor], layer: int, terms: tuple[str, ...], total: str) -> bool:
    return _close(seen[Site(layer, total)], *(seen[Site(layer, term)] for term in terms))


def _close(total: Tensor, *terms: Tensor) -> bool:
    """Whether the terms add up to the total, but for rounding."""
    rounding = torch.finfo(total.dtype).eps * len(terms)
    largest = max(float(term.abs().max()) for term in (total, *terms))
    difference = torch.stack([term.float() for term in terms]).sum(0) - total.float()
    return bool(difference.abs().max() <= (_TOLERANCE + rounding) * largest)


def _check_carry(subject: Subject, tokens: Tensor) -> Iterator[Check]:
    mid, out, post = (Site(0, kind) for kind in ("resid_mid", "mlp_out", "resid_post"))
    if subject.architecture.post_norm or not {mid.kind, out.kind, post.kind} <= subject.architecture.sites.keys():
        return
    value = torch.randn(*tokens.shape, subject.shape.d_model, generator=torch.Generator().manual_seed(1))
    with edited(subject, {mid: replace(value)}):
        seen = capture(subject, [mid, out, post], tokens)
    yield Check(promise="what replaces resid_mid flows on", held=_close(seen[post], seen[mid], seen[out]))


def _check_heads(subject: Subject, seen: Mapping[Site, Tensor], tokens: Tensor) -> Iterator[Check]:
    """q, k, v and z in layer 0: which position and which heads each of them moves."""
    q, k, v, z = (Site(0, kind) for kind in "qkvz")
    if not {"q", "k", "v", "z"} <= subject.architecture.sites.keys() or tokens.shape[1] < 3:
        return
    own = seen[z]

    def with_edit(site: Site, edit: Edit) -> Tensor:
        with edited(subject, {site: edit}):
            return capture(subject, [z], tokens)[z]

    zero = replace(torch.zeros(()))
    values = seen[v].unflatten(-1, (subject.shape.n_kv_head, -1))  # [b p g k]
    per_head = values.repeat_interleave(subject.shape.n_head // subject.shape.n_kv_head, dim=2).flatten(2)
    # What the second position sees: of later ones the first may lie outside a sliding window.
    mean = per_head[:, : None if subject.architecture.bidirectional else 2].float().mean(1)
    for site in (q, k):
        uniform = with_edit(site, zero)[:, 1]
        yield Check(promise=f"without {site.kind}, z is the mean of v", held=_close(uniform, mean.to(uniform.dtype)))
    at_one = torch.zeros(tokens.shape[1], 1, dtype=torch.bool)
    at_one[1] = True
    moved = with_edit(q, within(at_one, torch.neg))
    alone = torch.equal(moved[:, 0], own[:, 0]) and torch.equal(moved[:, 2:], own[:, 2:])
    yield Check(promise="a query moves its own position alone", held=alone)
    dropped = with_edit(v, within(at_heads(subject.units(v), [0]), zero))
    group = at_heads(subject.units(z), range(subject.shape.n_head // subject.shape.n_kv_head)).to(own.device)
    silent = not dropped[..., group].any() and torch.equal(dropped[..., ~group], own[..., ~group])
    yield Check(promise="a value head reaches its own query heads alone", held=silent)


def _layers(layers: list[int]) -> str:
    return f"not in layer {', '.join(map(str, layers[:8]))}{' …' if len(layers) > 8 else ''}" if layers else ""
