"""Runs with many failures and with hostile names, for reports that CI systems read."""

from __future__ import annotations

from collections.abc import Iterator

from mechint.results.values import ErrorFacts, ItemReport, Outcome, RunReport
from tests.reports import SPEC, broken_item, make_item, make_run, marked_item, verdict

HOSTILE = "[bold]x</failure>]]>\x1b[31m\n::error::x%0A::set-output name=a::b ##[x] | `<script>` \x00\udcff\ufffe"


def many_failures(count: int = 5000) -> RunReport:
    """As many items, each with one assertion that fails, each in a line of its own."""
    bad = verdict("faithfulness", 0.8, 0.1)
    return make_run(
        tuple(
            item.model_copy(update={"verdicts": (bad.model_copy(update={"line": line}),)})
            for line, item in enumerate(many_items(count, make_item(outcome=Outcome.FAILED)), 1)
        )
    )


def many_items(count: int, item: ItemReport) -> Iterator[ItemReport]:
    """As many items, alike but for their names; made without the checks that each report is put to."""
    for number in range(count):
        name = f"step{number}"
        yield item.model_copy(update={"id": name, "family": name, "nodeid": f"{SPEC}::{name}"})


def hostile_run() -> RunReport:
    """Names, messages and tracebacks that try to end what they stand in, or to give commands."""
    bad = verdict("faithfulness", 0.8, 0.1).model_copy(update={"text": HOSTILE, "reason": HOSTILE, "file": HOSTILE})
    error = ErrorFacts(kind=HOSTILE, message=HOSTILE, traceback=HOSTILE)
    failed = make_item(HOSTILE, nodeid=f"{SPEC}::{HOSTILE}", outcome=Outcome.FAILED, verdicts=(bad,))
    broken = broken_item(f"{HOSTILE}2", nodeid=f"{SPEC}::{HOSTILE}2", error=error)
    return make_run((failed, broken, marked_item(Outcome.SKIPPED, marked=HOSTILE)))
