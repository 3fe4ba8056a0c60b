"""Writes the reports that people read: one for each item, and ``report.md`` over the run.

1. When an item is finished, lay out its report with ``templates/circuit_analysis_report.md.j2``.
2. When the run is finished, lay out ``templates/report.md.j2``.

Whatever a template prints is escaped first, so a name or a message can only be read; what the templates themselves say
is Markdown. Templates run in Jinja's sandbox, and a misspelt variable is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechint import hookimpl

if TYPE_CHECKING:
    from mechint.results.values import ItemReport, RunReport

ITEM_REPORT = "circuit_analysis_report.md"
RUN_REPORT = "report.md"
COMPARISON = "comparison/comparison.md"

# A page of a megabyte is more than a browser or a build's summary will show.
MOST_ROWS = 1000
MOST_EXPLAINED = 100


@hookimpl
def mechint_item_finished(report: ItemReport, folder: Path) -> None:
    from mechint.files import write_text

    write_text(folder / ITEM_REPORT, _render("circuit_analysis_report.md.j2", {"report": report}))


@hookimpl
def mechint_run_finished(report: RunReport, output_dir: Path) -> None:
    from mechint.files import write_text
    from mechint.results.describe import place
    from mechint.results.values import Outcome

    unsound = [item for item in report.items if item.outcome is not Outcome.PASSED]
    sound = [item for item in report.items if item.outcome is Outcome.PASSED]
    told = {
        "run": report,
        # Where there are too many rows for the table, those that passed give way.
        "shown": report.items if len(report.items) <= MOST_ROWS else [*unsound, *sound][:MOST_ROWS],
        "explained": unsound[:MOST_EXPLAINED],
        "unexplained": len(unsound[MOST_EXPLAINED:]),
        "place": place,
        # Reporters are independent: the page exists only where the one that writes it is active.
        "compared": (output_dir / COMPARISON).is_file(),
    }
    write_text(output_dir / RUN_REPORT, _render("report.md.j2", told))


def _render(template: str, told: Mapping[str, Any]) -> str:
    from mechint.results.page import render_page

    return render_page(template, told, _filters())


def _filters() -> dict[str, Callable[..., Any]]:
    from mechint.results.filters import report_filters

    return {**report_filters(), "fence": _fence}


def _fence(text: str) -> Any:
    from markupsafe import Markup

    from mechint.results.markup import fence

    return Markup(fence(text))
