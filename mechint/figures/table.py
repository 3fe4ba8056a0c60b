"""The numbers that a figure shows, as a table that is saved beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mechint.results.spreadsheet import csv_text
from mechint.results.values import EffectTable

__all__ = ["IN_SHEETS", "Cell", "FigureTable", "effect_numbers"]

Cell = str | int | float | None

IN_SHEETS = None
"""In the place of a table, for a figure whose numbers are written with those of others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureTable:
    """Rows under a header; None where there is no number."""

    header: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]

    def as_csv(self) -> str:
        """The table as CSV, numbers with all their digits; no cell is a spreadsheet's formula."""
        return csv_text(self.header, self.rows)


def effect_numbers(effects: EffectTable) -> FigureTable:
    """Every cell of a map of effects, with its interval and how many examples have it."""
    rows = [
        (row, column, effects.mean[r][c], effects.low[r][c], effects.high[r][c], effects.examples[r][c])
        for r, row in enumerate(effects.rows)
        for c, column in enumerate(effects.columns)
    ]
    return FigureTable(header=(effects.row_axis, effects.column_axis, "mean", "low", "high", "examples"), rows=rows)
