from __future__ import annotations

import pytest

from mechint.results.findings import find_all, find_item
from mechint.results.values import Outcome
from tests.reports import make_run, marked_item, verdict

FAILS = (verdict("faithfulness", 0.8, 0.1, line=9),)


def test_a_run_s_findings_are_what_does_not_hold_in_the_order_of_its_items() -> None:
    found = [(one.outcome.value, one.rule, one.line) for one in find_all(make_run())]
    assert found == [
        ("warned", "sparsity >= 0.8", 30),
        ("failed", "faithfulness >= 0.8", 27),
        ("failed", "margin_over_random >= 0.2", 28),
        ("undecided", "faithfulness >= 0.8", 27),
        ("error", "CheckpointError", None),
        ("error", "KeyError", None),
    ]


def test_a_failure_that_the_spec_expects_is_no_finding() -> None:
    assert list(find_item(marked_item(Outcome.XFAILED, verdicts=FAILS))) == []


def test_a_pass_that_the_spec_does_not_expect_is_one() -> None:
    (found,) = find_item(marked_item(Outcome.XPASSED))
    assert (found.outcome, found.rule) == (Outcome.XPASSED, "xfail")
    assert found.message.endswith("the spec expects a failure: issue 7")


@pytest.mark.parametrize(("file", "shown"), [("", "specs/kv_ablation.yaml"), ("specs/_common.yaml",) * 2])
def test_a_finding_names_the_file_that_states_the_assertion(file: str, shown: str) -> None:
    stated = FAILS[0].model_copy(update={"file": file})
    (found,) = find_item(marked_item(Outcome.FAILED, verdicts=(stated,)))
    assert (found.file, found.line) == (shown, 9)


@pytest.mark.parametrize(
    ("outcome", "severity"),
    [("failed", "error"), ("xpassed", "error"), ("error", "error"), ("undecided", "warning"), ("warned", "warning")],
)
def test_what_failed_is_worse_than_what_is_undecided(outcome: str, severity: str) -> None:
    found = [*find_all(make_run()), *find_item(marked_item(Outcome.XPASSED))]
    assert {one.severity for one in found if one.outcome.value == outcome} == {severity}
