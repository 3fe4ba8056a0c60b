"""Writes the reports that people read: one for each item, and ``report.md`` over the run.

1. When an item is finished, lay out its report with ``templates/circuit_analysis_report.md.j2``.
2. When the run is finished, lay out ``templates/report.md.j2``.

Whatever a template prints is escaped first, so a name or a message can only be read; what the templates themselves say
is Markdown. Templates run in Jinja's sandbox, and a misspelt variable is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechint import hookimpl

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

    from mechint.results.values import ItemReport, RunReport

ITEM_REPORT = "circuit_analysis_report.md"
RUN_REPORT = "report.md"

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
    }
    write_text(output_dir / RUN_REPORT, _render("report.md.j2", told))


def _render(template: str, told: Mapping[str, Any]) -> str:
    """Fill a template; text is escaped unless a filter says that it is Markdown."""
    return _environment().get_template(template).render(told).rstrip() + "\n"


@cache  # of templates that are compiled; a run lays out one page an item
def _environment() -> SandboxedEnvironment:
    from jinja2 import PackageLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        loader=PackageLoader("mechint", "templates"),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=_escaped,
        keep_trailing_newline=True,
    )
    environment.filters.update(_filters())
    return environment


def _escaped(value: Any) -> Any:
    """What a template prints, as Markdown that shows it; Markup is Markdown already, such as a laid out table."""
    from jinja2 import Undefined
    from markupsafe import Markup

    from mechint.results.markup import escape

    return value if isinstance(value, Markup | Undefined) else Markup(escape(str(value)))


def _filters() -> dict[str, Callable[..., Any]]:
    from markupsafe import Markup

    from mechint.results import describe, markup, tables

    return {
        "caption": lambda name: Path(name).stem.replace("_", " "),
        "cause": describe.cause,
        "comparison": describe.comparison,
        "curve_table": tables.curve_table,
        "effect_table": tables.effect_table,
        "duration": describe.duration,
        "fence": lambda text: Markup(markup.fence(text)),
        "layer_table": tables.layer_table,
        "link": lambda path: Markup(markup.link_target(path)),
        "measure_table": tables.measure_table,
        "measured": _measured,
        "method_table": tables.method_table,
        "methodology_table": tables.methodology_table,
        "run_line": describe.run_line,
        "run_table": tables.run_table,
        "sentence": describe.sentence,
        "setup_table": tables.setup_table,
        "value_table": tables.value_table,
        "verdict_table": tables.verdict_table,
    }


def _measured(item: ItemReport, measure: str) -> str:
    """One measure for the table of items; n/a where the item was not measured."""
    from mechint.results.describe import bounds, number

    return number(item.measures[measure], bounds(item, measure)) if measure in item.measures else "n/a"
