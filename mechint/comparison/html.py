"""``comparison.html``: a comparison as one page for a browser, saying what ``comparison.md`` says.

Layers and overlaps are tables that can be read cell by cell, every other table can be sorted, and figures are embedded
as far as there is room. A page of many entries names what it leaves to the figures and the CSV files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mechint.comparison.heat import delta_maps, overlap_map
from mechint.comparison.values import Comparison, Group
from mechint.pages.files import Picture, embed_pictures
from mechint.pages.heat import HeatTable
from mechint.pages.page import render_page

__all__ = ["render_html"]

MOST_HEAT_CELLS = 5000
"""Cells of maps in a page; further maps are left to the figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """A group as the page shows it."""

    group: Group
    deltas: Sequence[tuple[str, HeatTable]]
    """Kind of site and map."""
    overlap: HeatTable | None
    pictures: Sequence[tuple[Picture, str]]
    """With captions."""
    left_out: Sequence[str]
    """What is only in the figures."""


def render_html(
    comparison: Comparison,
    figures: Sequence[Sequence[tuple[str, str]]],
    sheets: Sequence[str],
    folder: Path,
    filters: Mapping[str, Callable[..., Any]],
) -> str:
    """The text of the page; ``figures`` are each group's file names in the folder and their captions."""
    named = [(".", name) for of_group in figures for name, _ in of_group]
    pictures = {picture.name: picture for picture in embed_pictures(named, folder).get(".", [])}
    told = {"comparison": comparison, "sections": _sections(comparison, figures, pictures), "sheets": sheets}
    return render_page("comparison.html.j2", told, styles=("page.css", "report.css"), filters=filters)


def _sections(
    comparison: Comparison, figures: Sequence[Sequence[tuple[str, str]]], pictures: Mapping[str, Picture]
) -> list[_Section]:
    room = MOST_HEAT_CELLS
    sections = []
    for group, drawn in zip(comparison.groups, figures, strict=True):
        deltas, overlap, left_out = delta_maps(group), overlap_map(group) if group.overlaps else None, []
        if (cells := sum(_cells(table) for _, table in deltas)) > room:
            deltas, cells = [], 0
            left_out.append("layers")
        room -= cells
        if overlap is not None and _cells(overlap) > room:
            overlap = None
            left_out.append("overlaps")
        room -= 0 if overlap is None else _cells(overlap)
        shown = [(pictures[name], caption) for name, caption in drawn]
        sections.append(_Section(group=group, deltas=deltas, overlap=overlap, pictures=shown, left_out=left_out))
    return sections


def _cells(table: HeatTable) -> int:
    return len(table.rows) * len(table.columns)
