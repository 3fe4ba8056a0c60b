"""Letting copies of recorded examples enter a forward pass on its way, beside those that it has brought so far.

What is the same in all passes need not be computed in any: a copy that is changed at a layer enters there, with the
recorded stream. One that is changed behind a layer's attention enters there with what the heads gave, so that queries,
keys and values are computed for the others alone. A module gets as many rows as there are then, of its inputs too that
have a row for every example, such as masks.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mechint.circuit.space import Site
from mechint.subject.subject import Subject
from mechint.subject.taps import first_input, hold, with_first_input

__all__ = ["Entry", "find_attention", "let_in"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Entry:
    """Where a copy enters; smaller ones enter earlier."""

    layer: int
    """-1 for the embedding."""
    behind: bool = False
    """Whether it enters behind the layer's attention."""


def find_attention(subject: Subject, layer: int) -> nn.Module | None:
    """The module that a layer's heads lie in; None where the table does not lead to one."""
    tap = subject.architecture.sites.get("z")
    if tap is None or tap.fused or tap.flat:
        return None
    block = subject.architecture.block.format(layer=layer)
    inside = subject.architecture.path(tap.module, layer).rpartition(".")[0]
    return subject.module(inside) if inside.startswith(f"{block}.") else None


def let_in(
    subject: Subject,
    layer: int,
    entries: Sequence[Entry],
    known: Mapping[Site, Tensor],
    start: int,
    stack: ExitStack,
) -> None:
    """Hook the copies that enter at a layer into the model; the stack takes the hooks off again.

    ``entries`` are those of all copies, in their order, and ``known`` the recorded activations ``[b p u]``, of which
    the pass computes the positions from ``start`` on.
    """
    stream, heads = known[Site(layer, "resid_pre")][:, start:], Site(layer, "z")
    examples = len(stream)
    before, early, late = (
        examples * count
        for count in (
            bisect_left(entries, Entry(layer=layer)),
            bisect_right(entries, Entry(layer=layer)),
            bisect_right(entries, Entry(layer=layer, behind=True)),
        )
    )

    def join_stream(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        args, kwargs = _first_rows((args, kwargs), examples * len(entries), late)
        return with_first_input(args, kwargs, _join(first_input(args, kwargs)[:before], stream, late))

    hold(stack, subject.block(layer).register_forward_pre_hook(join_stream, with_kwargs=True))
    if late > early:
        _let_in_behind(subject, heads, known[heads][:, start:], early, late, stack)


def _let_in_behind(subject: Subject, site: Site, heads: Tensor, early: int, late: int, stack: ExitStack) -> None:
    """Leave all rows but ``early`` of ``late`` out of a layer's attention; those join with what the heads gave."""
    attention, tap = find_attention(subject, site.layer), subject.architecture.tap(site)
    assert attention is not None

    def leave_out(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # An attention of no rows at all is more than some kernels can take.
        return _first_rows((args, kwargs), late, max(early, len(heads)))

    def join_input(_module: nn.Module, args: tuple[Any, ...]) -> Tensor:
        return _join(args[0][:early], heads, late)

    def join_output(_module: nn.Module, _args: tuple[Any, ...], output: Tensor) -> Tensor:
        return _join(output[:early], heads, late)

    hold(stack, attention.register_forward_pre_hook(leave_out, with_kwargs=True))
    module = subject.module(tap.module)
    hold(
        stack,
        module.register_forward_pre_hook(join_input) if tap.side == "in" else module.register_forward_hook(join_output),
    )


def _join(brought: Tensor, known: Tensor, rows: int) -> Tensor:
    """So many rows: those that the pass has brought, and then as many copies of what is known as it takes."""
    copies = (rows - len(brought)) // len(known)
    return torch.cat([brought, known.repeat(copies, 1, 1)]) if copies else brought


def _first_rows(given: Any, rows: int, kept: int) -> Any:
    """A module's inputs with ``kept`` rows, where they have ``rows``; what has one axis alone is of no example."""
    if isinstance(given, Tensor):
        return given[:kept] if given.dim() > 1 and len(given) == rows else given
    if isinstance(given, tuple):
        return tuple(_first_rows(part, rows, kept) for part in given)
    if isinstance(given, dict):
        return {name: _first_rows(part, rows, kept) for name, part in given.items()}
    return given
