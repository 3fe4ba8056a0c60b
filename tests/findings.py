"""Runs with many failures and with hostile names, for reports that CI systems read."""

from __future__ import annotations

from mechint.results.values import ErrorFacts, Outcome, RunReport
from tests.reports import SPEC, broken_item, make_item, make_run, marked_item, verdict

HOSTILE = "[bold]x</failure>]]>\x1b[31m\n::error::x%0A::set-output name=a::b ##[x] | `<script>` \x00\udcff\ufffe"


def many_failures(count: int = 5000) -> RunReport:
    """As many items, each with one assertion that fails, each in a line of its own."""
    items = tuple(
        make_item(
            f"step{number}", outcome=Outcome.FAILED, verdicts=(verdict("faithfulness", 0.8, 0.1, line=number + 1),)
        )
        for number in range(count)
    )
    return make_run(items)


def hostile_run() -> RunReport:
    """Names, messages and tracebacks that try to end what they stand in, or to give commands."""
    bad = verdict("faithfulness", 0.8, 0.1).model_copy(update={"text": HOSTILE, "reason": HOSTILE, "file": HOSTILE})
    error = ErrorFacts(kind=HOSTILE, message=HOSTILE, traceback=HOSTILE)
    failed = make_item(HOSTILE, nodeid=f"{SPEC}::{HOSTILE}", outcome=Outcome.FAILED, verdicts=(bad,))
    broken = broken_item(f"{HOSTILE}2", nodeid=f"{SPEC}::{HOSTILE}2", error=error)
    return make_run((failed, broken, marked_item(Outcome.SKIPPED, marked=HOSTILE)))
