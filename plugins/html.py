"""Writes ``report.html``, the run as one page for a browser: verdicts, what changed, circuits, and every item.

1. Pack the circuits of the items, so that they can be drawn, filtered and laid beside each other in the page.
2. Embed the pictures that have no other form in the page, as far as there is room.
3. Lay out ``templates/report.html.j2``.

Nothing is computed here that a report and its files do not hold, so a page can be written again for any finished run.
A page of a hundred items of 48 layers stays below 5 MB: what does not fit is named, with the file that has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechint import hookimpl

if TYPE_CHECKING:
    from mechint.results.values import ItemReport, RunReport, Verdict

RUN_PAGE = "report.html"
COMPARISON = "comparison/comparison.html"

MOST_ROWS = 1000
"""Items in the first table."""
MOST_ITEMS = 120
"""Items with all their tables; the others' reports are linked."""
MOST_HEAT_CELLS = 5000
"""Cells of maps of effects; of further maps the largest effects are listed."""


@hookimpl
def mechint_run_finished(report: RunReport, output_dir: Path) -> None:
    from mechint.files import write_text
    from mechint.pages.circuits import pack_circuits
    from mechint.pages.files import embed_pictures
    from mechint.pages.page import render_page
    from mechint.results.describe import place
    from mechint.results.values import Outcome

    unsound = [item for item in report.items if item.outcome is not Outcome.PASSED]
    first = [*unsound, *(item for item in report.items if item.outcome is Outcome.PASSED)]
    skipped = {item.id for item in report.items if item.outcome is Outcome.SKIPPED}
    detailed = _in_order(report, [item for item in first if item.id not in skipped][:MOST_ITEMS])
    mapped = set(_mapped(detailed))
    told: dict[str, Any] = {
        "run": report,
        "shown": _in_order(report, first[:MOST_ROWS]),
        "unsound": unsound[:MOST_ITEMS],
        "skipped": len(skipped),
        "untold": len(unsound[MOST_ITEMS:]),
        "drops": list(_drops(report)),
        "items": detailed,
        "anchors": {item.id: f"item-{number}" for number, item in enumerate(detailed)},
        "mapped": mapped,
        "circuits": pack_circuits(detailed, output_dir),
        "pictures": embed_pictures(_pictures(detailed, mapped), output_dir),
        "place": place,
        # Reporters are independent: the page exists only where the one that writes it is active.
        "compared": (output_dir / COMPARISON).is_file(),
    }
    page = render_page(
        "report.html.j2", told, styles=("page.css", "report.css"), scripts=("page.js", "circuit_view.js")
    )
    write_text(output_dir / RUN_PAGE, page)


def _in_order(report: RunReport, chosen: Sequence[ItemReport]) -> list[ItemReport]:
    """Some of the run's items, in the order of the run."""
    names = {item.id for item in chosen}
    return [item for item in report.items if item.id in names]


def _drops(report: RunReport) -> Iterator[tuple[ItemReport, Verdict]]:
    """Verdicts on drops below an approved run; one that several items share, as seeds do, once."""
    told = set()
    for item in report.items:
        for verdict in item.verdicts:
            if verdict.baseline and (verdict.line, verdict.text, verdict.over or item.id) not in told:
                told.add((verdict.line, verdict.text, verdict.over or item.id))
                yield item, verdict


def _mapped(items: Sequence[ItemReport]) -> Iterator[tuple[str, str]]:
    """The maps of effects (item's id, map's name) that the page has room for as tables."""
    room = MOST_HEAT_CELLS
    for item in items:
        for effects in item.effects:
            cells = len(effects.rows) * len(effects.columns)
            if cells <= room:
                room -= cells
                yield item.id, effects.name


def _pictures(items: Sequence[ItemReport], mapped: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Pictures that the page does not draw itself: neither a curve nor a map of effects that is a table in it."""
    for item in items:
        drawn = {"faithfulness.png"} if item.curve else set()
        drawn |= {f"effects_{name}.png" for owner, name in mapped if owner == item.id}
        yield from ((item.id, name) for name in item.artifacts if name.endswith(".png") and name not in drawn)
