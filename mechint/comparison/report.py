"""A comparison as files: ``comparison.json``, ``comparison.md``, ``comparison.html``, figures and CSV."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechint.comparison import tables
from mechint.comparison.html import render_html
from mechint.comparison.sheets import SHEETS, sheets
from mechint.comparison.stamp import STAMP
from mechint.comparison.store import COMPARISON, write_comparison
from mechint.comparison.values import Comparison, Group
from mechint.errors import UsageError
from mechint.files import is_leftover, write_text
from mechint.results.page import render_page

if TYPE_CHECKING:
    from mechint.results.tables import Table

__all__ = ["PAGE", "WEB_PAGE", "remove_comparison", "write_files"]

PAGE = "comparison.md"
WEB_PAGE = "comparison.html"
_SIGNS = (COMPARISON, PAGE)
"""Files by which a folder is known to be a comparison's; they are removed last."""
_NAMES = (*_SIGNS, WEB_PAGE, STAMP, *SHEETS)
MOST_ROWS = 400
"""Rows of a table that a page shows; the CSV files have all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """A group with its figures, as the page shows it."""

    group: Group
    figures: Sequence[tuple[str, str]]
    """File name and caption."""


def write_files(comparison: Comparison, folder: Path) -> None:
    """Write everything into a folder, in the place of an earlier comparison.

    Raises UsageError where the folder cannot be made, or holds files and no comparison.
    """
    from markupsafe import Markup

    from mechint.results.markup import link_target

    remove_comparison(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{str(folder)!r} cannot be written to: {error.strerror}") from None
    # First, so that a folder which a killed program leaves is known to be a comparison's.
    write_comparison(comparison, folder)
    sections = [
        _Section(group=group, figures=_draw(group, folder, f"_{place}" if len(comparison.groups) > 1 else ""))
        for place, group in enumerate(comparison.groups, start=1)
    ]
    texts = sheets(comparison)
    for name, text in texts.items():
        write_text(folder / name, text)
    told = {"comparison": comparison, "sections": sections, "sheets": list(texts)}
    linked = {"link": lambda path: Markup(link_target(path))}
    write_text(folder / PAGE, render_page("comparison.md.j2", told, {**_filters(), **linked}))
    figures = [section.figures for section in sections]
    write_text(folder / WEB_PAGE, render_html(comparison, figures, list(texts), folder, _filters()))


def remove_comparison(folder: Path) -> None:
    """Remove what a comparison has written there; UsageError for a folder with files that none has written."""
    files = [entry for entry in folder.iterdir() if not entry.is_dir()] if folder.is_dir() else []
    whole = [entry for entry in files if not is_leftover(entry)]
    if whole and not any(entry.name in _SIGNS for entry in whole):
        raise UsageError(
            f"{str(folder)!r} holds {whole[0].name!r} and no comparison, so nothing is written there\n"
            "  hint: choose another folder with -o"
        )
    for entry in sorted(files, key=lambda entry: entry.name in _SIGNS):
        if entry.name in _NAMES or _FIGURE.fullmatch(entry.name) or is_leftover(entry):
            entry.unlink()


_FIGURES = ("faithfulness", "steps", "deltas", "thirds", "overlaps", "curves")
_FIGURE = re.compile(rf"({'|'.join(_FIGURES)})(_\d+)?\.(png|svg)")


def _draw(group: Group, folder: Path, suffix: str) -> list[tuple[str, str]]:
    """Draw what the group has something for; the files' names and captions."""
    from mechint.figures import comparison_lines as lines
    from mechint.figures import comparison_maps as maps

    curves = any(entry.curve for entry in group.entries)
    drawings: Sequence[tuple[bool, Callable[[Group, Path], None], str]] = (
        (True, lines.draw_faithfulness, "faithfulness with intervals"),
        (bool(group.steps), lines.draw_steps, "faithfulness, size and overlap over the steps of training"),
        (bool(group.layers), maps.draw_deltas, "changes of the share kept, layer by layer"),
        (len(group.entries) > 1, lines.draw_thirds, "shares kept in the thirds of the layers"),
        (bool(group.overlaps), maps.draw_overlaps, "overlap of the circuits"),
        (curves, lines.draw_curves, "faithfulness against size"),
    )
    drawn = []
    for name, (wanted, draw, caption) in zip(_FIGURES, drawings, strict=True):
        if wanted:
            draw(group, folder / f"{name}{suffix}.png")
            drawn.append((f"{name}{suffix}.png", caption))
    return drawn


def _filters() -> dict[str, Callable[..., Any]]:
    return {
        **{name: _cut(getattr(tables, name)) for name in tables.__all__},
        "opening": lambda sentence: sentence[:1].upper() + sentence[1:],
    }


def _cut(lay_out: Callable[[Group], Table]) -> Callable[[Group], Table]:
    """The table with no more rows than a page takes."""

    def cut(group: Group) -> Table:
        table = lay_out(group)
        if len(table.rows) <= MOST_ROWS:
            return table
        rest = f"{len(table.rows) - MOST_ROWS} more rows are in the CSV files"
        more = (rest, *[""] * (len(table.header) - 1))
        return replace(table, rows=(*table.rows[:MOST_ROWS], more))

    return cut
