import math

import pytest

from mechint.engine.check import check
from mechint.spec.values import Assertion


def judged(value, **bounds):
    return check(Assertion(metric="faithfulness", **bounds), 12, {"faithfulness": value})


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
        ({"at_most": 0.8, "severity": "warn"}, None, "undecided"),
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
