"""Maps of effects of two entries: where their peaks are, and whether they rank places alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mechint.circuit.overlap import rank_correlation
from mechint.comparison.entries import Loaded
from mechint.comparison.values import MapDelta
from mechint.results.values import EffectTable

__all__ = ["map_deltas"]


def map_deltas(entry: str, ours: Loaded, theirs: Loaded) -> Iterator[MapDelta]:
    """One for each map that both have; of several seeds the first's."""
    mine, others = ({one.name: one for one in loaded.member.items[0].effects} for loaded in (ours, theirs))
    for name in mine:
        if name in others and (mine[name].quantity == others[name].quantity):
            peaks = _peak(mine[name]), _peak(others[name])
            if peaks[0] is not None and peaks[1] is not None:
                yield MapDelta(
                    entry=entry,
                    map=name,
                    peak=peaks[0][0],
                    value=peaks[0][1],
                    base_peak=peaks[1][0],
                    base_value=peaks[1][1],
                    spearman=_alike(mine[name], others[name]),
                )


def _peak(table: EffectTable) -> tuple[str, float] | None:
    cells = [
        (f"{table.rows[row]}@{table.columns[column]}", value)
        for row, means in enumerate(table.mean)
        for column, value in enumerate(means)
        if value is not None
    ]
    return max(cells, key=lambda cell: abs(cell[1]), default=None)


def _alike(mine: EffectTable, others: EffectTable) -> float | None:
    """Spearman's correlation over the places for which both have an effect."""
    if (mine.rows, mine.columns) != (others.rows, others.columns):
        return None
    pairs = [
        (ours, theirs)
        for ours, theirs in zip(_flat(mine.mean), _flat(others.mean), strict=True)
        if ours is not None and theirs is not None
    ]
    if len(pairs) < 2:
        return None
    found = rank_correlation(*(np.array(side, dtype=np.float64) for side in zip(*pairs, strict=True)))
    return None if found is None else found.spearman


def _flat(table: Sequence[Sequence[float | None]]) -> list[float | None]:
    return [value for row in table for value in row]
