"""Maps of effects as estimates: a cell with its interval, and where a map has its peak."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mechint.circuit.effect_map import EffectMap
from mechint.faithfulness.estimate import Estimate, is_graded, mean
from mechint.faithfulness.interval import Interval, intervals
from mechint.results.values import EffectTable

__all__ = ["describe_effects", "estimate_cell", "peak_of", "redraw_peaks"]

RESAMPLES = 2000


def estimate_cell(effects: EffectMap, row: int, column: int) -> Estimate | None:
    """The mean effect at a place, over the examples that have it; None where fewer than two have."""
    return _estimate(effects, row, column, graded=_takes_many_values(effects))


def describe_effects(maps: Sequence[EffectMap]) -> tuple[EffectTable, ...]:
    """The means of maps, with the 95 % interval of every cell."""
    return tuple(_describe(one) for one in maps)


def peak_of(mean_effects: NDArray[np.float64]) -> tuple[int, int]:
    """The row and column of the largest of mean effects ``[r c]``; the first of several. None of them all nan."""
    place = int(np.where(np.isnan(mean_effects), -np.inf, mean_effects).argmax())
    return place // mean_effects.shape[1], place % mean_effects.shape[1]


def redraw_peaks(effects: EffectMap, cells: NDArray[np.bool_], *, seed: int = 0) -> list[tuple[int, int]]:
    """Where the peak among some cells ``[r c]`` of a map lies in resamples of its examples, or of its templates."""
    values = np.where(cells, effects.values.astype(np.float64), np.nan)
    there = ~np.isnan(values)
    units = np.arange(len(values)) if effects.clusters is None else effects.clusters
    codes = np.unique(units, return_inverse=True)[1]
    count = int(codes.max()) + 1
    sums, sizes = np.zeros((count, *cells.shape)), np.zeros((count, *cells.shape))
    np.add.at(sums, codes, np.where(there, values, 0.0))
    np.add.at(sizes, codes, there)
    generator = np.random.default_rng(seed)
    peaks = []
    for _ in range(RESAMPLES):
        drawn = np.bincount(generator.integers(0, count, count), minlength=count).astype(np.float64)
        total, size = (np.tensordot(drawn, each, axes=1) for each in (sums, sizes))
        peaks.append(peak_of(np.where(size > 0, total / np.maximum(size, 1), np.nan)))
    return peaks


def _describe(effects: EffectMap) -> EffectTable:
    rows, columns = range(len(effects.rows)), range(len(effects.columns))
    graded = _takes_many_values(effects)
    found = iter(intervals([_estimate(effects, row, column, graded=graded) for row in rows for column in columns]))
    ends = [[next(found) for _ in columns] for _ in rows]
    return EffectTable(
        name=effects.name,
        title=effects.title,
        quantity=effects.quantity,
        row_axis=effects.row_axis,
        column_axis=effects.column_axis,
        rows=effects.rows,
        columns=effects.columns,
        mean=tuple(map(tuple, effects.mean.tolist())),
        low=tuple(tuple(_low(one) for one in row) for row in ends),
        high=tuple(tuple(_high(one) for one in row) for row in ends),
        examples=tuple(map(tuple, effects.counts.tolist())),
    )


def _estimate(effects: EffectMap, row: int, column: int, *, graded: bool) -> Estimate | None:
    values = effects.values[:, row, column].astype(np.float64)
    there = ~np.isnan(values)
    if int(there.sum()) < 2:
        return None
    clusters = None if effects.clusters is None else effects.clusters[there].tolist()
    plain = bool(np.isin(values[there], (-1.0, 0.0, 1.0)).all())
    return mean(values[there], clusters=clusters, graded=graded and plain)


def _takes_many_values(effects: EffectMap) -> bool:
    """Whether the effects are of no metric of 0 and 1, of which a cell of zeros alone says nothing."""
    return is_graded(effects.values[~np.isnan(effects.values) & (effects.values != 0)])


def _low(ends: Interval | None) -> float | None:
    return None if ends is None else ends.low


def _high(ends: Interval | None) -> float | None:
    return None if ends is None else ends.high
