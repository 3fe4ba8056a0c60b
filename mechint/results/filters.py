"""What templates of every kind of report ask of a report: words, numbers and tables, as Jinja's filters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mechint.results import describe, tables
from mechint.results.values import ItemReport

__all__ = ["report_filters"]


def report_filters() -> dict[str, Callable[..., Any]]:
    """The filters by name; they give plain text, which the template's own environment escapes."""
    return {
        "caption": _caption,
        "cause": describe.cause,
        "comparison": describe.comparison,
        "curve_table": tables.curve_table,
        "duration": describe.duration,
        "effect_table": tables.effect_table,
        "layer_table": tables.layer_table,
        "mark": describe.mark,
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


def _caption(name: str) -> str:
    return Path(name).stem.replace("_", " ")


def _measured(item: ItemReport, measure: str) -> str:
    """One measure with the digits that its assertions rest on; n/a where the item was not measured."""
    if measure not in item.measures:
        return "n/a"
    return describe.number(item.measures[measure], describe.bounds(item, measure))
