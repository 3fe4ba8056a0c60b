import pytest

from mechint.engine.exit import ExitCode, code_of_error, conclude, judge_item, worst
from mechint.errors import Fault, NothingCollected, PluginError, SpecError, UsageError
from mechint.results.values import Outcome, Verdict

XF, XP, S = Outcome.XFAILED, Outcome.XPASSED, Outcome.SKIPPED
P, W, F, U, E = Outcome.PASSED, Outcome.WARNED, Outcome.FAILED, Outcome.UNDECIDED, Outcome.ERROR


def verdict(outcome: Outcome) -> Verdict:
    return Verdict(text="x >= 1", line=1, metric="x", actual=1.0, outcome=outcome, reason="")


@pytest.mark.parametrize(("verdicts", "expected"), [([], P), ([P, P], P), ([P, W], W), ([W, U], U), ([P, U, F], F)])
def test_an_item_is_as_good_as_its_worst_verdict(verdicts, expected):
    assert judge_item([verdict(outcome) for outcome in verdicts]) is expected


@pytest.mark.parametrize(("verdicts", "expected"), [([], XP), ([P, W], XP), ([P, F], XF), ([U, P], U), ([U, F], XF)])
def test_an_item_that_is_expected_to_fail_must(verdicts, expected):
    assert judge_item([verdict(outcome) for outcome in verdicts], fails=True) is expected


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([P, P], (P, ExitCode.PASSED)),
        ([P, W], (W, ExitCode.PASSED)),
        ([P, F], (F, ExitCode.FAILED)),
        ([E, F], (F, ExitCode.FAILED)),
        ([P, E, U], (E, ExitCode.INCOMPLETE)),
        ([P, U], (U, ExitCode.UNDECIDED)),
        ([S, XF, P], (P, ExitCode.PASSED)),
        ([S, S], (P, ExitCode.PASSED)),
        ([P, XP], (F, ExitCode.FAILED)),
    ],
)
def test_a_run_takes_outcome_and_code_from_its_items(outcomes, expected):
    assert conclude(outcomes, interrupted=False) == expected


def test_an_interrupt_shows_in_the_code():
    assert conclude([P], interrupted=True) == (Outcome.INTERRUPTED, ExitCode.INTERRUPTED)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 4),
        (SpecError([Fault(file="a", message="b")]), 4),
        (NothingCollected("x"), 5),
        (PluginError("x"), 3),
    ],
)
def test_errors_before_the_items_have_their_codes(error, code):
    assert code_of_error(error) == code


def test_no_runs_at_all_have_nothing_against_them():
    assert worst([]) is ExitCode.PASSED
