"""The numbers that a figure shows, as a table that is saved beside it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from mechint.results.values import EffectTable

__all__ = ["Cell", "FigureTable", "effect_numbers"]

Cell = str | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureTable:
    """Rows under a header; None where there is no number."""

    header: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]

    def as_csv(self) -> str:
        """The table as CSV, numbers with all their digits; no cell is a spreadsheet's formula."""
        table = io.StringIO()
        lines = csv.writer(table, lineterminator="\n")
        lines.writerow(map(_written, self.header))
        lines.writerows([_written(cell) for cell in row] for row in self.rows)
        return table.getvalue()


def effect_numbers(effects: EffectTable) -> FigureTable:
    """Every cell of a map of effects, with its interval and how many examples have it."""
    rows = [
        (row, column, effects.mean[r][c], effects.low[r][c], effects.high[r][c], effects.examples[r][c])
        for r, row in enumerate(effects.rows)
        for c, column in enumerate(effects.columns)
    ]
    return FigureTable(header=(effects.row_axis, effects.column_axis, "mean", "low", "high", "examples"), rows=rows)


def _written(cell: Cell) -> str:
    """Empty for what is no number; text that begins like a formula, as a token may, behind an apostrophe."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return repr(cell) if math.isfinite(cell) else ""
    text = str(cell)
    return f"'{text}" if isinstance(cell, str) and text[:1] in tuple("=+-@\t\r") else text
