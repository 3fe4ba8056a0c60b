"""Letting the last MLP compute only the positions whose predictions are read.

An MLP treats every position by itself, and after the last block nothing mixes them any more. So at the other positions
the last MLP is in vain; it adds zero there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from mechint.circuit.space import Site
from mechint.subject.subject import Subject

__all__ = ["find_mlp", "narrowed"]


def find_mlp(subject: Subject, layer: int) -> nn.Module | None:
    """The module of a layer's whole MLP; None where the table does not lead to one."""
    if not {"mlp_post", "mlp_out"} <= subject.architecture.sites.keys():
        return None
    block = subject.architecture.block.format(layer=layer)
    inside = subject.architecture.tap(Site(layer, "mlp_post")).module.removeprefix(f"{block}.").split(".")
    return subject.module(f"{block}.{inside[0]}") if len(inside) > 1 else None


@contextmanager
def narrowed(mlp: nn.Module, where: Tensor) -> Iterator[None]:
    """Run the MLP only where ``where`` ``[b p]`` is true, and give zero elsewhere."""
    whole = mlp.forward

    def forward(stream: Tensor) -> Tensor:
        at = where.to(stream.device)
        result = stream.new_zeros(stream.shape)
        result[at] = whole(stream[at].unsqueeze(0)).squeeze(0).to(stream.dtype)
        return result

    mlp.forward = forward
    try:
        yield
    finally:
        del mlp.forward
