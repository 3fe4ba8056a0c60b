"""A spec as a file of tests: its items, and in each the assertions that were stated for it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from mechint.engine.exit import holds
from mechint.errors import MechintError, coded
from mechint.pytest_plugin.names import MEASURED, assertion_names, marker_name
from mechint.pytest_plugin.runs import RUNS, Runs
from mechint.results.describe import cause, comparison, harmless, place, sentence
from mechint.results.redact import redact
from mechint.results.values import ItemReport, Outcome, Verdict
from mechint.spec.values import Item

__all__ = ["AssertionTest", "ItemNode", "SpecFile", "needed_items"]


class SpecFile(pytest.File):
    """One spec."""

    def collect(self) -> Iterator[ItemNode]:
        if RUNS not in self.config.stash:
            self.config.stash[RUNS] = Runs(self.config)
        try:
            plan = self.config.stash[RUNS].plan(self.path)
        except MechintError as error:
            raise self.CollectError(redact(coded(error))) from None
        for tag in plan.spec.tags:
            self._mark(tag)
        for item in plan.items:
            yield ItemNode.from_parent(self, name=item.id, item=item)

    def _mark(self, tag: str) -> None:
        name = marker_name(tag)
        if not any(line.startswith(f"{name}:") for line in self.config.getini("markers")):
            self.config.addinivalue_line("markers", f"{name}: a tag of mechint specs")
        self.add_marker(name)


class ItemNode(pytest.Collector):
    """One item of a spec: a checkpoint in a cell of the matrix."""

    def __init__(self, *, item: Item, **given: Any) -> None:
        super().__init__(**given)
        self.item = item
        if item.cell.skip is not None:
            self.add_marker(pytest.mark.skip(reason=item.cell.skip))

    def collect(self) -> Iterator[AssertionTest]:
        for number, name in enumerate(assertion_names(self.item.cell.faithfulness.assertions)):
            yield AssertionTest.from_parent(self, name=name, item=self.item, number=number)


class AssertionTest(pytest.Item):
    """One assertion of an item; of one that states none, that it can be measured.

    Of an item that is expected to fail, what does not hold fails as expected where the item does; where all of it
    holds, each of its tests fails.
    """

    def __init__(self, *, item: Item, number: int, **given: Any) -> None:
        super().__init__(**given)
        self.item = item
        self._number = number
        self._report: ItemReport | None = None

    def setup(self) -> None:
        """Measure and judge the spec's selected items, if that has not been done."""
        runs = self.config.stash[RUNS]
        report = runs.report(self.item)
        if isinstance(report, MechintError):
            pytest.fail(runs.in_full_once(_lines(redact(coded(report)))), pytrace=False)
        if (broken := report.error) is not None:
            told = f"{self.item.nodeid}: error: {cause(broken)}"
            pytest.fail(runs.in_full_once(_lines(f"{told}\n{broken.traceback or ''}".rstrip())), pytrace=False)
        self._report = report

    def runtest(self) -> None:
        report = self._report
        assert report is not None, "a test is set up before it runs"
        if report.outcome in (Outcome.XFAILED, Outcome.XPASSED):
            self._expect_failure(report)
        if report.outcome is Outcome.XPASSED or self.name == MEASURED:
            return
        verdict = report.verdicts[self._number]
        if not holds(verdict.outcome):
            pytest.fail(_told(report, verdict), pytrace=False)
        if verdict.outcome is Outcome.WARNED:
            self._warn(harmless(f"warned: {sentence(verdict)}"))

    def reportinfo(self) -> tuple[str, int, str]:
        cell, number = self.item.cell, self._number
        line = cell.lines[number] if number < len(cell.lines) else None
        file = cell.files[number] if number < len(cell.files) else ""
        path = os.path.join(self.config.invocation_params.dir, file or self.item.spec)
        return path, (line or 1) - 1, f"{self.item.id}: {self.name}"

    def _expect_failure(self, report: ItemReport) -> None:
        """Mark the test, unless it is one that holds in an item that fails as expected."""
        fails = self.name != MEASURED and not holds(report.verdicts[self._number].outcome)
        if report.outcome is Outcome.XPASSED or fails:
            self.add_marker(pytest.mark.xfail(reason=report.marked, strict=True))

    def _warn(self, text: str) -> None:
        """Add to pytest's list of warnings, past its filters: what a spec only warns of never fails."""
        path, line, _ = self.reportinfo()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.warn_explicit(text, pytest.PytestWarning, path, line + 1)
        for warning in caught:
            told = {"warning_message": warning, "when": "runtest", "nodeid": self.nodeid, "location": None}
            self.ihook.pytest_warning_recorded.call_historic(kwargs=told)


def needed_items(tests: Sequence[pytest.Item]) -> list[Item]:
    """The items that selected tests belong to, each once, in their order."""
    found = {test.item.nodeid: test.item for test in tests if isinstance(test, AssertionTest)}
    return list(found.values())


def _told(report: ItemReport, verdict: Verdict) -> str:
    first = f"{place(report, verdict)}: {verdict.outcome.value}: {sentence(verdict)}"
    return _lines("\n".join([first, *(f"    {line}" for line in comparison(report))]))


def _lines(text: str) -> str:
    return "\n".join(map(harmless, text.splitlines()))
