"""The one way to change or read a forward pass: hooks that are always taken off again.

Axis letters in every shape comment of the project: ``b`` batch, ``p`` position, ``d`` d_model, ``h`` head,
``g`` kv head, ``k`` d_head, ``f`` d_mlp, ``l`` layer, ``v`` vocab, ``n`` units of a space, ``u`` units of a site.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from mechint.circuit.space import Site, SiteUnits
from mechint.subject.subject import Subject
from mechint.subject.taps import Edit, attach

__all__ = ["Edit", "add", "at_heads", "at_positions", "capture", "edited", "keep_only", "mix", "replace", "within"]


@contextmanager
def edited(subject: Subject, edits: Mapping[Site, Edit]) -> Iterator[None]:
    """Run every forward pass in the block with each site's activation replaced by its edit.

    Blocks nest: the inner edit sees what the outer one returned. With no edits nothing is hooked at all, and an edit
    that returns the very tensor it got changes no bit.
    """
    with ExitStack() as stack:
        for site, edit in edits.items():
            attach(subject, site, edit, stack)
        yield


@torch.no_grad()
def capture(subject: Subject, sites: Sequence[Site], tokens: Tensor, mask: Tensor | None = None) -> dict[Site, Tensor]:
    """Run the model on tokens ``[b p]`` and return the activation ``[b p u]`` at each site."""
    seen: dict[Site, Tensor] = {}

    def keep(site: Site) -> Edit:
        def read(activation: Tensor) -> Tensor:
            seen[site] = activation
            return activation

        return read

    with edited(subject, {site: keep(site) for site in sites}):
        subject.run(tokens, mask)
    return seen


def mix(mask: Tensor, ablated: Tensor) -> Edit:
    """Blend with a relaxed mask ``[u]``: ``m * a + (1 - m) * ablated``, differentiable in the mask."""

    def blend(activation: Tensor) -> Tensor:
        # Under autocast an activation has fewer bits than the mask; blending keeps those of the mask.
        exact = activation.to(mask.dtype)
        return torch.lerp(ablated.to(mask.dtype).expand_as(exact), exact, mask.expand_as(exact)).to(activation.dtype)

    return blend


def keep_only(kept: Tensor, ablated: Tensor) -> Edit:
    """Replace the units outside a boolean mask ``[u]``; the kept ones pass bit for bit."""
    return lambda activation: torch.where(kept.to(activation.device), activation, ablated.to(activation))


def replace(value: Tensor) -> Edit:
    """Put a value, broadcastable to ``[b p u]``, in the activation's place."""
    return lambda activation: value.to(activation).expand_as(activation)


def add(noise: Tensor) -> Edit:
    """Add noise, broadcastable to ``[b p u]``."""
    return lambda activation: activation + noise.to(activation)


def within(where: Tensor, edit: Edit) -> Edit:
    """Edit only where a boolean tensor, broadcastable to ``[b p u]``, is true; the rest passes bit for bit."""
    return lambda activation: torch.where(where.to(activation.device), edit(activation), activation)


def at_positions(positions: Sequence[int], length: int) -> Tensor:
    """True at some of ``length`` positions ``[p 1]``, for ``within``; negative ones count from the end."""
    where = torch.zeros(length, 1, dtype=torch.bool)
    where[list(positions)] = True
    return where


def at_heads(units: SiteUnits, heads: Sequence[int]) -> Tensor:
    """True at the units ``[u]`` of some heads of a site, for ``within``."""
    where = torch.zeros(units.heads, units.width, dtype=torch.bool)
    where[list(heads)] = True
    return where.flatten()
