"""The numbers of a comparison as CSV: one file a kind of row, a row for each, with all digits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mechint.comparison.values import (
    Comparison,
    Difference,
    EntryMeasure,
    EntrySite,
    Group,
    LayerDelta,
    MapDelta,
    Overlap,
    Unlike,
)
from mechint.results.spreadsheet import csv_text
from mechint.results.values import ResultModel

__all__ = ["SHEETS", "sheets"]

Row = tuple[Any, ...]


def sheets(comparison: Comparison) -> dict[str, str]:
    """The text of each file by its name; kinds of which there are no rows are left out."""
    found = {}
    for name, (header, rows_of) in _SHEETS.items():
        rows = [(group.name, *row) for group in comparison.groups for row in rows_of(group)]
        if rows:
            found[f"{name}.csv"] = csv_text(("group", *header), rows)
    return found


def _measures(group: Group) -> Iterator[Row]:
    for entry in group.entries:
        facts = (entry.name, entry.run, entry.checkpoint, entry.sha256, entry.step, len(entry.seeds))
        for name, one in entry.measures.items():
            yield (*facts, name, *_values(one))


def _sites(group: Group) -> Iterator[Row]:
    for entry in group.entries:
        for one in entry.sites:
            yield (entry.name, *_values(one))


def _steps(group: Group) -> Iterator[Row]:
    for one in group.steps:
        faithfulness = (one.faithfulness.value, one.faithfulness.low, one.faithfulness.high)
        yield (one.entry, one.step, one.share, *faithfulness, one.jaccard, one.chance, "; ".join(one.changed))


def _values(row: ResultModel) -> Row:
    return tuple(row.model_dump().values())


def _plain(part: str) -> Callable[[Group], Iterator[Row]]:
    """The rows of a part of a group, field by field."""

    def rows(group: Group) -> Iterator[Row]:
        return map(_values, getattr(group, part))

    return rows


_SHEETS: Mapping[str, tuple[tuple[str, ...], Callable[[Group], Iterator[Row]]]] = {
    "measures": (
        ("entry", "run", "checkpoint", "sha256", "step", "seeds", "measure", *EntryMeasure.model_fields),
        _measures,
    ),
    "sites": (("entry", *EntrySite.model_fields), _sites),
    "unlike": (tuple(Unlike.model_fields), _plain("unlike")),
    "layers": (tuple(LayerDelta.model_fields), _plain("layers")),
    "differences": (tuple(Difference.model_fields), _plain("differences")),
    "overlaps": (tuple(Overlap.model_fields), _plain("overlaps")),
    "maps": (tuple(MapDelta.model_fields), _plain("maps")),
    "steps": (
        ("entry", "step", "share", "faithfulness", "low", "high", "jaccard", "chance", "changed"),
        _steps,
    ),
}

SHEETS = tuple(f"{name}.csv" for name in _SHEETS)
"""The names of all files that there may be."""
