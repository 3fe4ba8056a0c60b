import math

import numpy as np
import pytest

from mechint.faithfulness.combine import over_runs
from mechint.faithfulness.estimate import mean
from mechint.faithfulness.power import detectable, highest, needed_examples, smallest_difference

GENERATOR = np.random.default_rng(0)
NORMAL = mean(GENERATOR.normal(size=400))


def test_a_large_sample_detects_the_textbook_number_of_errors():
    """1.96 + .84 two-sided and 1.64 + .84 one-sided, with a little more for 399 degrees of freedom."""
    assert smallest_difference(NORMAL) == pytest.approx(2.80 * NORMAL.error, rel=0.005)
    assert detectable(NORMAL, level=0.05, power=0.8) == pytest.approx(2.49 * NORMAL.error, rel=0.005)


def test_a_t_test_finds_the_smallest_difference_as_often_as_it_says():
    """With 6 examples, whose spread is known to be 1, four tests in five exceed Student's quantile of 2.015."""
    six = mean([-1, -1, -1, 1, 1, 1])
    size = detectable(six, level=0.05, power=0.8) / six.error / math.sqrt(6)
    drawn = GENERATOR.normal(size, 1, size=(20_000, 6))
    found = drawn.mean(1) / (drawn.std(1, ddof=1) / math.sqrt(6)) > 2.015
    assert found.mean() == pytest.approx(0.8, abs=0.015)


def test_more_power_and_more_confidence_need_a_larger_difference():
    usual = smallest_difference(NORMAL)
    assert smallest_difference(NORMAL, power=0.9) > usual
    assert smallest_difference(NORMAL, confidence=0.99) > usual


def test_a_share_cannot_detect_less_than_leaves_an_example_in_the_sample():
    """Of 256 examples one is among the flipped with a chance of .8 if 1 - .2^(1/256) = .00627 of all flip."""
    assert smallest_difference(mean([1] * 256)) == pytest.approx(1 - 0.2 ** (1 / 256))


@pytest.mark.parametrize("nothing", [None, mean([0.1] * 50)], ids=["undefined", "constant"])
def test_what_says_nothing_detects_nothing(nothing):
    assert smallest_difference(nothing) is None


def test_the_highest_value_is_the_end_of_a_one_sided_interval():
    from scipy.stats import ttest_1samp

    values = GENERATOR.normal(size=12)
    expected = ttest_1samp(values, 0, alternative="less").confidence_interval(0.9).high
    assert highest(mean(values), level=0.1) == pytest.approx(expected)


def test_the_highest_share_is_what_leaves_no_flip_in_the_sample():
    """The rule of three: of 100 that are all right, with a chance of .95 less than 1 - .05^(1/100) = .0295 flip."""
    assert highest(mean([0] * 100), level=0.05) == pytest.approx(0.0295, abs=1e-4)


def test_half_the_difference_needs_four_times_the_examples():
    size = detectable(NORMAL, level=0.05, power=0.8)
    assert needed_examples(NORMAL, size / 2, level=0.05, power=0.8) == pytest.approx(1600, abs=1)


def test_as_many_examples_as_needed_suffice():
    values = GENERATOR.normal(size=30)
    needed = needed_examples(mean(values), 0.2, level=0.05, power=0.8)
    more = mean(np.resize(values, needed))
    assert detectable(more, level=0.05, power=0.8) == pytest.approx(0.2, rel=0.05)


def test_a_share_needs_examples_that_could_flip():
    """.05^(1/n) = .99 at n = 298.1."""
    assert needed_examples(mean([1] * 50), 0.01, level=0.05, power=0.8) == 299


def test_no_number_of_examples_makes_up_for_runs_that_differ():
    values = GENERATOR.normal(size=200)
    runs = over_runs([mean(values + run) for run in (0.0, 0.1, 0.2)])
    assert needed_examples(runs, 0.1, level=0.05, power=0.8) is None
    assert needed_examples(runs, 0.5, level=0.05, power=0.8) is not None
