"""Letting the last layer compute only the positions whose predictions are read.

A module that treats every position by itself, as an MLP does and the projection of what the heads gave, need not be run
at the other positions after which nothing mixes them any more. It adds zero there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from mechint.circuit.space import Site
from mechint.subject.subject import Subject

__all__ = ["find_mlp", "find_projection", "narrowed"]


def find_mlp(subject: Subject, layer: int) -> nn.Module | None:
    """The module of a layer's whole MLP; None where the table does not lead to one."""
    if not {"mlp_post", "mlp_out"} <= subject.architecture.sites.keys():
        return None
    block = subject.architecture.block.format(layer=layer)
    inside = subject.architecture.tap(Site(layer, "mlp_post")).module.removeprefix(f"{block}.").split(".")
    return subject.module(f"{block}.{inside[0]}") if len(inside) > 1 else None


def find_projection(subject: Subject, layer: int) -> nn.Module | None:
    """The module that projects what a layer's heads gave; None where the table does not name it."""
    tap = subject.architecture.sites.get("z")
    if tap is None or tap.side == "out" or tap.flat:
        return None
    return subject.module(subject.architecture.path(tap.module, layer))


@contextmanager
def narrowed(module: nn.Module, where: Tensor) -> Iterator[None]:
    """Run a module only where ``where`` ``[b p]`` is true, and give zero elsewhere."""
    whole = module.forward

    def forward(stream: Tensor) -> Tensor:
        at = where.to(stream.device)
        narrow = whole(stream[at].unsqueeze(0)).squeeze(0)  # [n u]
        result = stream.new_zeros(*at.shape, narrow.shape[-1])
        result[at] = narrow.to(stream.dtype)
        return result

    module.forward = forward
    try:
        yield
    finally:
        del module.forward
