"""Which interventions share a forward pass, and from which position on it computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mechint.subject.joining import Entry

__all__ = ["Begin", "Pass", "plan_passes"]

OVERHEAD = 24
"""What a layer costs beside its tokens, in tokens: reading its weights, and calling its modules."""
TOKENS = 512
"""In a pass; a processor computes more no faster, and what they give leaves its caches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Where an intervention begins to change a forward pass."""

    entry: Entry
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Interventions, by their numbers, that run together from one position on."""

    position: int
    cells: tuple[int, ...]
    """In the order in which they enter."""


def plan_passes(
    begins: Mapping[int, Begin],
    *,
    examples: int,
    positions: int,
    layers: int,
    most: int,
    tokens: int | None = None,
    together: bool = True,
) -> list[Pass]:
    """The passes of least cost, with ``most`` interventions in one, and with ``tokens`` where one has fewer.

    ``begins`` are by the interventions' numbers, each of which runs on all ``examples``. Those that enter at different
    places share passes where ``together``.
    """
    sharing: dict[Entry | None, dict[int, list[int]]] = {}
    for cell in sorted(begins, key=lambda cell: begins[cell].position):
        by_position = sharing.setdefault(None if together else begins[cell].entry, {})
        by_position.setdefault(begins[cell].position, []).append(cell)
    passes: list[Pass] = []
    for by_position in sharing.values():
        groups = [
            _Group(
                position=position,
                entries={cell: begins[cell].entry for cell in cells},
                depths=[layers - begins[cell].entry.layer for cell in cells],
                length=examples * (positions - position),
                most=most if tokens is None else max(1, min(most, tokens // (examples * (positions - position)))),
            )
            for position, cells in by_position.items()
        ]
        passes += _share(groups)
    return passes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Interventions that begin at one position."""

    position: int
    entries: Mapping[int, Entry]
    """By the interventions' numbers."""
    depths: Sequence[int]
    """The layers that each of them runs through."""
    length: int
    """Tokens of one intervention."""
    most: int
    """Interventions in a pass from this position on."""


def _share(groups: Sequence[_Group]) -> Iterator[Pass]:
    """Put groups together, sorted by their positions, where that is cheapest, and cut what is too much for a pass."""
    cuts = _cheapest_cuts(groups)
    start = 0
    while start < len(groups):
        end = cuts[start]
        entries = {cell: entry for group in groups[start:end] for cell, entry in group.entries.items()}
        ordered = sorted(entries, key=lambda cell: entries[cell])
        for cells in (ordered[at : at + groups[start].most] for at in range(0, len(ordered), groups[start].most)):
            yield Pass(position=groups[start].position, cells=tuple(cells))
        start = end


def _cheapest_cuts(groups: Sequence[_Group]) -> Mapping[int, int]:
    """For every group that may begin a pass, the one past its last."""
    least = {len(groups): 0}
    cuts = {}
    for start in reversed(range(len(groups))):
        costs, count, total, deepest = {}, 0, 0, 0
        for end in range(start + 1, len(groups) + 1):
            depths = groups[end - 1].depths
            count, total, deepest = count + len(depths), total + sum(depths), max(deepest, *depths)
            passes = -(-count // groups[start].most)
            costs[end] = OVERHEAD * deepest * passes + groups[start].length * total + least[end]
        cuts[start] = min(costs, key=lambda end: (costs[end], -end))
        least[start] = costs[cuts[start]]
    return cuts
