import math

import pytest

from mechint.engine.check import Found, check
from mechint.faithfulness.estimate import mean
from mechint.faithfulness.interval import interval
from mechint.spec.values import Assertion


def judged(value, why="", **bounds):
    return check(Assertion(metric="faithfulness", **bounds), 12, Found(value=value, why=why))


@pytest.mark.parametrize(
    ("bounds", "value", "outcome"),
    [
        ({"at_least": 0.8}, 0.8, "passed"),
        ({"at_least": 0.8}, math.nextafter(0.8, 0), "failed"),
        ({"above": 0.8}, 0.8, "failed"),
        ({"at_most": 0.8}, 0.8, "passed"),
        ({"below": 0.8}, 0.8, "failed"),
        ({"at_least": 0.2, "at_most": 0.5}, 0.3, "passed"),
        ({"at_least": 0.2, "at_most": 0.5}, 0.6, "failed"),
        ({"at_least": 0.8, "severity": "warn"}, 0.1, "warned"),
        ({"at_least": 0.8}, None, "undecided"),
        ({"at_least": 0.8}, math.nan, "undecided"),
        ({"at_most": 0.8, "severity": "warn"}, None, "warned"),
    ],
)
def test_a_measure_is_compared_as_it_is(bounds, value, outcome):
    assert judged(value, **bounds).outcome == outcome


def test_a_failure_says_the_number_and_the_bound():
    assert judged(0.71234, at_least=0.8).reason == "0.7123 is not >= 0.8"


def test_a_near_miss_is_not_rounded_onto_its_threshold():
    assert judged(0.79999999, at_least=0.8).reason == "0.79999999 is not >= 0.8"


def test_a_verdict_knows_its_line():
    assert judged(0.9, at_least=0.8).line == 12


SAMPLE = mean([0.7, 0.8, 0.9, 0.8, 0.75, 0.85, 0.82, 0.78])  # mean .8
LOW, HIGH = interval(SAMPLE).low, interval(SAMPLE).high  # about .75 and .85


def judged_surely(**bounds):
    found = Found(value=SAMPLE.value, estimate=SAMPLE)
    return check(Assertion(metric="faithfulness", confidence=0.95, **bounds), 12, found)


@pytest.mark.parametrize(
    ("bounds", "outcome"),
    [
        ({"at_least": LOW}, "passed"),
        ({"above": LOW}, "undecided"),
        ({"at_least": 0.8}, "undecided"),
        ({"at_least": HIGH}, "undecided"),
        ({"above": HIGH}, "failed"),
        ({"at_most": HIGH}, "passed"),
        ({"below": LOW}, "failed"),
        ({"at_least": 0.6, "at_most": 0.7}, "failed"),
        ({"at_least": 0.6, "at_most": 0.9}, "passed"),
        ({"at_least": 0.79, "at_most": 0.81}, "undecided"),
        ({"above": HIGH, "severity": "warn"}, "warned"),
        ({"at_least": 0.8, "severity": "warn"}, "warned"),
    ],
)
def test_with_a_confidence_the_interval_is_compared(bounds, outcome):
    verdict = judged_surely(**bounds)
    assert (verdict.outcome, verdict.interval) == (outcome, (LOW, HIGH))


def test_an_undecided_interval_is_told():
    assert judged_surely(at_least=0.8).reason == f"the 95 % interval is [{LOW:.4f}, {HIGH:.4f}] and covers the bound"


def test_without_an_interval_nothing_is_decided():
    found = Found(value=1.0, estimate=None)
    verdict = check(Assertion(metric="loss", confidence=0.95, at_most=2), None, found)
    assert (verdict.outcome, verdict.interval) == ("undecided", None)


def test_what_has_no_meaning_says_why():
    assert judged(None, why="there is one example", at_least=0.5).reason == (
        "faithfulness has no meaning here: there is one example"
    )
