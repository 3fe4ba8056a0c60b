"""The one way to change or read a forward pass: hooks that are always taken off again.

Axis letters in every shape comment of the project: ``b`` batch, ``p`` position, ``d`` d_model, ``h`` head,
``g`` kv head, ``k`` d_head, ``f`` d_mlp, ``l`` layer, ``v`` vocab, ``n`` units of a space, ``u`` units of a site.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.subject.subject import Subject

__all__ = ["Edit", "capture", "edited", "keep_only", "mix"]

Edit = Callable[[Tensor], Tensor]
"""Takes a site's activation ``[b p u]`` and returns what the model goes on with, of the same shape."""


@contextmanager
def edited(subject: Subject, edits: Mapping[Site, Edit]) -> Iterator[None]:
    """Run every forward pass in the block with each site's activation replaced by its edit.

    Blocks nest: the inner edit sees what the outer one returned. With no edits nothing is hooked at all.
    """
    with ExitStack() as stack:
        for site, edit in edits.items():
            handle = subject.module_of(site).register_forward_hook(_as_hook(edit))
            stack.callback(handle.remove)
        yield


@torch.no_grad()
def capture(subject: Subject, sites: Sequence[Site], tokens: Tensor) -> dict[Site, Tensor]:
    """Run the model on tokens ``[b p]`` and return the activation ``[b p u]`` at each site."""
    seen: dict[Site, Tensor] = {}

    def keep(site: Site) -> Edit:
        def read(activation: Tensor) -> Tensor:
            seen[site] = activation
            return activation

        return read

    with edited(subject, {site: keep(site) for site in sites}):
        subject.logits(tokens)
    return seen


def mix(mask: Tensor, ablated: Tensor) -> Edit:
    """Blend with a relaxed mask ``[u]``: ``m * a + (1 - m) * ablated``, differentiable in the mask."""
    return lambda activation: torch.lerp(ablated.expand_as(activation), activation, mask.expand_as(activation))


def keep_only(kept: Tensor, ablated: Tensor) -> Edit:
    """Replace the units outside a boolean mask ``[u]``; the kept ones pass bit for bit."""
    return lambda activation: torch.where(kept, activation, ablated)


def _as_hook(edit: Edit) -> Callable[[Any, Any, Tensor], Tensor]:
    return lambda _module, _inputs, output: edit(output)
