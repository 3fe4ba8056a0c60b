from __future__ import annotations

import json
from pathlib import Path

import pytest

from mechint.engine.last_failed import read_failed, remember
from mechint.results.values import Outcome
from tests.reports import SPEC, failed_item, make_item, make_run


def test_failures_are_kept_until_they_pass(tmp_path: Path) -> None:
    remember(make_run((failed_item("a"), failed_item("b"), make_item("c"))), tmp_path)
    assert read_failed(tmp_path) == {f"{SPEC}::a", f"{SPEC}::b"}
    remember(make_run((make_item("a"),)), tmp_path)
    assert read_failed(tmp_path) == {f"{SPEC}::b"}


@pytest.mark.parametrize("outcome", [Outcome.PASSED, Outcome.WARNED, Outcome.XFAILED, Outcome.SKIPPED])
def test_what_holds_is_no_failure(outcome: Outcome, tmp_path: Path) -> None:
    remember(make_run((make_item(outcome=outcome),)), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNDECIDED, Outcome.ERROR, Outcome.XPASSED])
def test_what_does_not_hold_is_one(outcome: Outcome, tmp_path: Path) -> None:
    remember(make_run((make_item("a", outcome=outcome),)), tmp_path)
    assert json.loads((tmp_path / "last_failed.json").read_text()) == [f"{SPEC}::a"]
    assert (tmp_path / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("content", ["", "{", '{"a": 1}', "3"])
def test_a_damaged_list_counts_as_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "last_failed.json").write_text(content)
    assert read_failed(tmp_path) == frozenset()


def test_a_smoke_run_says_nothing(tmp_path: Path) -> None:
    remember(make_run((failed_item(),), smoke=True), tmp_path)
    assert read_failed(tmp_path) == frozenset()
