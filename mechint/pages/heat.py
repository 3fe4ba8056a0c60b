"""A map of effects as a table whose cells have a colour, for eyes, and words, for everyone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mechint.results.describe import number
from mechint.results.values import EffectTable

__all__ = ["STEPS", "HeatCell", "HeatTable", "heat_table", "shade_of"]

STEPS = 10
"""Shades on either side of 0; ``page.css`` has a class for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatCell:
    """One place."""

    text: str
    """The mean effect, or nothing where no example has the place."""
    shade: str
    """Class of the colour: ``p7`` above 0, ``n3`` below; empty for none."""
    sure: bool
    """Whether the 95 % interval leaves 0 out."""
    told: str
    """Interval and number of examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatTable:
    """Cells by row and column, and the mean effect that the darkest shade stands for."""

    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]
    """Label and cells."""
    end: str
    signed: bool = True
    """Whether there may be numbers below 0."""
    intervals: bool = True
    """Whether cells have 95 % intervals."""


def heat_table(effects: EffectTable) -> HeatTable:
    """The map with shades up to its largest effect in size, the same for both signs."""
    end = max((abs(value) for value in _numbers(effects.mean)), default=0.0) or 1.0
    rows = tuple(
        (label, tuple(_cell(effects, row, column, end) for column in range(len(effects.columns))))
        for row, label in enumerate(effects.rows)
    )
    corner = f"{effects.row_axis} \\ {effects.column_axis}"
    return HeatTable(corner=corner, columns=effects.columns, rows=rows, end=number(end))


def shade_of(value: float, end: float) -> str:
    """The class of the colour for a number, where ``end`` has the darkest."""
    return f"{'n' if value < 0 else 'p'}{round(STEPS * abs(value) / end)}"


def _numbers(table: Iterable[Iterable[float | None]]) -> Iterable[float]:
    return (value for row in table for value in row if value is not None)


def _cell(effects: EffectTable, row: int, column: int, end: float) -> HeatCell:
    mean, low, high = (table[row][column] for table in (effects.mean, effects.low, effects.high))
    if mean is None:
        return HeatCell(text="", shade="", sure=False, told="no example has the place")
    count = effects.examples[row][column]
    interval = "no interval" if low is None or high is None else f"{number(low)} to {number(high)}"
    return HeatCell(
        text=number(mean, digits=2),
        shade=shade_of(mean, end),
        sure=low is not None and high is not None and (low > 0 or high < 0),
        told=f"{interval}; {count} example{'s' * (count != 1)}",
    )
