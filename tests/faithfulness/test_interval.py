import time

import numpy as np
import pytest
from scipy.stats import bootstrap, t

from mechint.faithfulness.combine import over_runs
from mechint.faithfulness.estimate import Estimate, mean, ratio_of_means
from mechint.faithfulness.interval import interval, intervals

GENERATOR = np.random.default_rng(0)
SKEWED = GENERATOR.lognormal(size=256)
NORMAL = GENERATOR.normal(size=256)


def width(estimate: Estimate, **options) -> float:
    found = interval(estimate, **options)
    return found.high - found.low


def test_on_normal_data_it_is_all_but_students():
    student = 2 * t.ppf(0.975, 255) * mean(NORMAL).error
    assert student <= width(mean(NORMAL)) <= 1.05 * student


def test_on_skewed_data_it_is_the_studentised_bootstrap_at_the_long_end_and_students_at_the_short():
    """scipy has no studentised bootstrap, but percentiles of any statistic, such as t around the sample's mean."""

    def student(values, axis):
        return (values.mean(axis) - SKEWED.mean()) / values.std(axis, ddof=1) * np.sqrt(256)

    drawn = bootstrap((SKEWED,), student, method="percentile", vectorized=True, rng=np.random.default_rng(5))
    estimate = mean(SKEWED)
    found = interval(estimate)
    assert (found.high - estimate.value) / estimate.error == pytest.approx(-drawn.confidence_interval.low, rel=0.1)
    assert found.low == pytest.approx(estimate.value - t.ppf(0.975, 255) * estimate.error)


def test_the_interval_of_a_ratio_is_that_of_the_ratio_turned_over():
    """As Fieller's is: f lies in the interval of a / b where 1 / f lies in that of b / a."""
    below = GENERATOR.normal(2, 2, size=100)
    above = 0.5 * below + GENERATOR.normal(size=100)
    found, turned = interval(ratio_of_means(above, below)), interval(ratio_of_means(below, above))
    assert (found.low, found.high) == pytest.approx((1 / turned.high, 1 / turned.low))


def test_more_confidence_is_wider():
    assert (
        width(mean(SKEWED), confidence=0.99)
        > width(mean(SKEWED), confidence=0.95)
        > width(mean(SKEWED), confidence=0.8)
    )


def test_the_same_seed_gives_the_same_interval():
    assert interval(mean(SKEWED), seed=3) == interval(mean(SKEWED), seed=3)
    assert interval(mean(SKEWED), seed=3) != interval(mean(SKEWED), seed=4)


def test_an_interval_does_not_depend_on_its_company():
    together = intervals([mean(SKEWED), None, mean(NORMAL), mean(NORMAL[:50])])
    assert together == [interval(mean(SKEWED)), None, interval(mean(NORMAL)), interval(mean(NORMAL[:50]))]


def test_a_measure_that_holds_by_identity_is_certain():
    below = GENERATOR.normal(3, 1, size=50)
    full, empty = interval(ratio_of_means(below, below)), interval(ratio_of_means(0 * below, below))
    assert (full.low, full.high) == (1, 1)
    assert (empty.low, empty.high) == (0, 0)


def test_a_share_of_all_examples_is_not_certain():
    """Wilson: 256 / (256 + 1.96^2) = .9852."""
    found = interval(mean([1] * 256))
    assert (found.low, found.high) == (pytest.approx(0.98522, abs=1e-5), 1)


def test_a_share_over_clusters_stays_a_share():
    """Of 128 examples in 16 clusters three miss, all in one: a studentised bootstrap alone ends far below 0."""
    right = [0] * 3 + [1] * 125
    found = interval(mean(right, clusters=[number // 8 for number in range(128)]))
    assert 0.8 < found.low < 125 / 128 < found.high < 1
    assert (found.over, found.count) == ("clusters", 16)


def test_clusters_that_are_of_one_mind_count_once():
    """Wilson for 12 of 16, with Student's 2.1314 for 15 degrees and the 15 that the error of clusters stands for."""
    found = interval(mean([0] * 32 + [1] * 96, clusters=[number // 8 for number in range(128)]))
    squared = 2.13145**2 / 15
    half = (0.1875 * squared + squared**2 / 4) ** 0.5
    assert found.low == pytest.approx((0.75 + squared / 2 - half) / (1 + squared), abs=1e-5)
    assert found.high == pytest.approx((0.75 + squared / 2 + half) / (1 + squared), abs=1e-5)


def test_models_that_are_right_on_the_same_examples_may_differ_on_others():
    """A share q of other examples that flip is not met among 100 with a chance of .025 for q = 1 - .025^.01 = .0362."""
    right = [1, 0] * 50
    found = interval(ratio_of_means(right, right))
    assert (found.low, found.high) == (
        pytest.approx(1 - 2 * 0.03622, abs=1e-4),
        pytest.approx(1 + 2 * 0.03622, abs=1e-4),
    )


@pytest.mark.parametrize(
    "estimate",
    [None, mean([0.1] * 50), mean([2.0] + [0.0] * 255)],
    ids=["undefined", "constant", "one example is all the spread"],
)
def test_there_is_none_without_a_spread_to_judge_by(estimate):
    assert interval(estimate) is None


def test_there_is_none_where_the_denominator_may_be_zero():
    """A mean of .3 with an error of .1 is apart from 0 with 95 % confidence, and not with 99.9 %."""
    spread = np.resize([-1.0, 1.0], 100)
    estimate = ratio_of_means(spread + 1 + NORMAL[:100], spread + 0.3)
    assert interval(estimate) is not None
    assert interval(estimate, confidence=0.999) is None


def test_clusters_are_drawn_whole():
    templates = np.arange(256) % 16
    values = NORMAL[:16][templates] + 0.1 * NORMAL
    clustered = mean(values, clusters=templates.tolist())
    assert (interval(clustered).over, interval(clustered).count) == ("clusters", 16)
    assert width(clustered) > 3 * width(mean(values))


def test_runs_stretch_it_by_what_they_add_to_the_error():
    alone, together = mean(NORMAL), over_runs([mean(NORMAL + run) for run in (-0.1, 0.0, 0.1)])
    quantile = t.ppf(0.975, together.degrees) / t.ppf(0.975, 255)
    assert width(together) == pytest.approx(width(alone) * together.error / alone.error * quantile)


def test_runs_alone_give_students_interval():
    """Every example is worth the same in a run: .1, .2, .3, with an error of .1 / 3^.5 and 2 degrees of freedom."""
    found = interval(over_runs([mean([run] * 20) for run in (0.1, 0.2, 0.3)]))
    assert found.high == pytest.approx(0.2 + t.ppf(0.975, 2) * 0.1 / 3**0.5)


def test_twenty_intervals_are_taken_in_a_moment():
    """About 30 ms on one quiet core; a busy one may take several times as long."""
    started = time.process_time()
    intervals([mean(SKEWED + number) for number in range(20)])
    assert time.process_time() - started < 1.5
