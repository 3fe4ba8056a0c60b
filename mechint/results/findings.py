"""What a reader of a run must look at, one by one, for reports that list findings rather than items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from mechint.results.describe import cause, mark, sentence, spec_of
from mechint.results.values import ItemReport, Outcome, RunReport

__all__ = ["SEVERITIES", "Finding", "Severity", "find_all", "find_item"]

Severity = Literal["error", "warning"]

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""The severest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An assertion that does not hold, an item that could not be measured, or one that passes against expectation."""

    item: ItemReport
    outcome: Outcome
    """FAILED, UNDECIDED, WARNED, XPASSED or ERROR."""
    rule: str
    """What is broken: the assertion as a sentence, the error's code or class, or ``xfail``."""
    message: str
    file: str
    line: int | None

    @property
    def severity(self) -> Severity:
        """What failed is an error; what is undecided or only warned a warning."""
        return "warning" if self.outcome in (Outcome.UNDECIDED, Outcome.WARNED) else "error"


def find_all(report: RunReport) -> Iterator[Finding]:
    """All findings of a run, in the order of its items."""
    for item in report.items:
        yield from find_item(item)


def find_item(item: ItemReport) -> Iterator[Finding]:
    """The findings of one item: an error, a pass against expectation, and assertions that do not hold."""
    spec = spec_of(item)
    if item.error is not None:
        rule = item.error.code or item.error.kind
        yield Finding(item=item, outcome=Outcome.ERROR, rule=rule, message=cause(item.error), file=spec, line=None)
    if item.outcome is Outcome.XPASSED:
        yield Finding(item=item, outcome=Outcome.XPASSED, rule="xfail", message=mark(item), file=spec, line=None)
    for verdict in item.verdicts:
        expected = item.outcome is Outcome.XFAILED and verdict.outcome is Outcome.FAILED
        if verdict.outcome is not Outcome.PASSED and not expected:
            yield Finding(
                item=item,
                outcome=verdict.outcome,
                rule=verdict.text,
                message=sentence(verdict),
                file=verdict.file or spec,
                line=verdict.line,
            )
