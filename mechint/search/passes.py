"""Which interventions share a forward pass, where it begins, and from which position on it computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Begin", "Pass", "plan_passes"]

OVERHEAD = 64
"""What a forward pass costs beside its tokens, in tokens: reading all weights, and calling every module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Where an intervention begins to change a forward pass."""

    layer: int
    """-1 where it changes the embedding."""
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Interventions, by their numbers, that run together from one layer and one position on."""

    begin: Begin
    cells: tuple[int, ...]


def plan_passes(begins: Sequence[Begin], *, examples: int, positions: int, most: int) -> list[Pass]:
    """The passes of least cost, ``most`` interventions in one; each runs on all ``examples``."""
    by_layer: dict[int, list[int]] = {}
    for cell, begin in enumerate(begins):
        by_layer.setdefault(begin.layer, []).append(cell)
    return [
        one for layer in sorted(by_layer) for one in _plan_layer(begins, by_layer[layer], examples, positions, most)
    ]


def _plan_layer(
    begins: Sequence[Begin], cells: Sequence[int], examples: int, positions: int, most: int
) -> Iterator[Pass]:
    """Cut a layer's cells, sorted by their positions, where that is cheapest."""
    ordered = sorted(cells, key=lambda cell: begins[cell].position)
    lengths = [positions - begins[cell].position for cell in ordered]
    cuts = _cheapest_cuts(lengths, examples, most)
    start = 0
    while start < len(ordered):
        end = cuts[start]
        yield Pass(begin=begins[ordered[start]], cells=tuple(ordered[start:end]))
        start = end


def _cheapest_cuts(lengths: Sequence[int], examples: int, most: int) -> Mapping[int, int]:
    """For every cell that a pass may begin with, the one past its last; ``lengths`` fall."""
    least = {len(lengths): 0}
    cuts = {}
    for start in reversed(range(len(lengths))):
        ends = range(start + 1, min(start + most, len(lengths)) + 1)
        costs = {end: OVERHEAD + (end - start) * examples * lengths[start] + least[end] for end in ends}
        cuts[start] = min(costs, key=lambda end: (costs[end], -end))
        least[start] = costs[cuts[start]]
    return cuts
