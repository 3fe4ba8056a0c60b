"""Which items failed when they were last run, for ``--lf`` and ``--ff``.

The list is kept beside the specs' working directory rather than taken from results, because a run of some items says
nothing about the others. An item leaves the list when it passes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mechint.engine.exit import holds
from mechint.errors import UsageError
from mechint.files import write_text
from mechint.spec.values import Plan

if TYPE_CHECKING:
    from mechint.results.values import RunReport

__all__ = ["FOLDER", "failed_first", "read_failed", "remember"]

FOLDER = Path(".mechint_cache")

_FILE = "last_failed.json"


def read_failed(folder: Path = FOLDER) -> frozenset[str]:
    """Node ids that failed when they were last run; none before the first run, or where the list is damaged."""
    from mechint.results.store import read_json

    try:
        listed = read_json(folder / _FILE)
    except UsageError:
        return frozenset()
    return frozenset(map(str, listed)) if isinstance(listed, list) else frozenset()


def remember(report: RunReport, folder: Path = FOLDER) -> None:
    """Note which items of a run failed; what is known of other items stays. A smoke run says nothing."""
    if report.smoke:
        return
    known = read_failed(folder)
    failed = {item.nodeid for item in report.items if not holds(item.outcome)}
    now = (known - {item.nodeid for item in report.items}) | failed
    if now == known:
        return
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".gitignore").exists():
        write_text(folder / ".gitignore", "*\n")
    write_text(folder / _FILE, json.dumps(sorted(now), indent=2) + "\n")


def failed_first(plans: Sequence[Plan], failed: frozenset[str]) -> list[Plan]:
    """The plans and their items with those that failed before the others."""

    def order(plan: Plan) -> Plan:
        return replace(plan, items=tuple(sorted(plan.items, key=lambda item: item.nodeid not in failed)))

    return sorted(map(order, plans), key=lambda plan: not any(item.nodeid in failed for item in plan.items))
