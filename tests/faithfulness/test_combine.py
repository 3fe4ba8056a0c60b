import numpy as np
import pytest

from mechint.faithfulness.combine import combine, difference, over_runs
from mechint.faithfulness.estimate import mean, ratio_of_means

BELOW = np.array([2, 2.2, 1.8, 2])


def test_a_difference_with_one_denominator_is_the_ratio_of_the_difference():
    left, right = np.array([1, 1.2, 0.8, 1.4]), np.array([0.1, 0.3, 0.2, 0.4])
    found, direct = (
        difference(ratio_of_means(left, BELOW), ratio_of_means(right, BELOW)),
        ratio_of_means(left - right, BELOW),
    )
    assert found.value == pytest.approx(direct.value)
    assert found.influence == pytest.approx(direct.influence)
    assert found.error == pytest.approx(direct.error)


def test_a_difference_with_two_denominators_is_kept_to_first_order():
    left, right = ratio_of_means([1, 1.2, 0.8, 1.4], BELOW), ratio_of_means([1, 1.1, 0.8, 1.2], [2, 2.1, 1.7, 2.3])
    found = difference(left, right)
    assert found.value == pytest.approx(left.value - right.value)
    assert found.influence == pytest.approx(left.influence - right.influence)


def test_a_difference_is_paired():
    """Both vary by 1 between examples, their difference by a thousandth of that."""
    values = np.random.default_rng(0).normal(size=100)
    assert difference(mean(values), mean(1.001 * values)).error == pytest.approx(mean(values).error / 1000)


def test_a_sum_of_factors():
    found = combine([mean([1, 2, 3]), mean([4, 4, 7])], [2.0, -1.0])
    assert found.value == pytest.approx(2 * 2 - 5)


def test_a_sum_is_no_finer_than_its_coarsest_part():
    loss, accuracy = mean([0.3, 1.2, 2.2]), mean([1, 0, 1])
    assert difference(loss, loss).graded
    assert (difference(loss, accuracy).graded, difference(loss, accuracy).step) == (False, 1)


def test_what_has_no_meaning_has_none_in_a_sum():
    assert difference(mean([1.0, 2.0]), mean([1.0])) is None
    assert over_runs([mean([1.0, 2.0]), None, mean([1.0, 2.0])]) is None


def test_one_run_is_itself():
    only = mean([1.0, 2.0])
    assert over_runs([only]) is only


def test_runs_that_differ_everywhere_alike_vary_by_themselves():
    """1.5 and 1.7: variance .02 of one run, and half of that of the mean of the two."""
    values = np.array([1.0, 2.0, 1.4, 1.6])
    found = over_runs([mean(values), mean(values + 0.2)])
    assert found.value == pytest.approx(1.6)
    assert found.sampling_variance == pytest.approx(mean(values).sampling_variance)
    assert found.run_variance == pytest.approx(0.01)
    assert found.error == pytest.approx(np.sqrt(mean(values).sampling_variance + 0.01))


def test_the_degrees_of_freedom_are_between_those_of_runs_and_of_examples():
    """Satterthwaite: (s + .01)^2 / (s^2 / 3 + .01^2 / 1), where s is the variance of the mean over examples."""
    values = np.array([1.0, 2.0, 1.4, 1.6])
    s = mean(values).sampling_variance
    found = over_runs([mean(values), mean(values + 0.2)])
    assert found.degrees == pytest.approx((s + 0.01) ** 2 / (s**2 / 3 + 0.01**2))


def test_runs_that_differ_in_each_example_for_itself_add_nothing():
    found = over_runs([mean([0.0, 1.0, 3.0]), mean([1.0, 0.0, 3.0])])
    assert found.runs[0].mean_square == 0
    assert found.run_variance == 0


def test_the_error_over_runs_is_the_spread_of_their_mean():
    """Examples 1, runs .1, examples within a run .5: variance (1 + .25 / 3) / 50 + .01 / 3 = .025 of the mean."""
    generator = np.random.default_rng(0)
    variances = []
    for _ in range(1000):
        values = generator.normal(size=50)
        runs = [values + generator.normal(scale=0.1) + generator.normal(scale=0.5, size=50) for _ in range(3)]
        variances.append(over_runs([mean(run) for run in runs]).error ** 2)
    assert np.mean(variances) == pytest.approx(0.025, rel=0.05)


def test_a_margin_over_random_circuits_knows_that_they_vary():
    """Two random circuits of 0 and .2: their mean varies by .02 / 2, beside the examples' own."""
    below = np.array([2, 2.2, 1.8, 2.1])
    random = over_runs([ratio_of_means(0 * below, below), ratio_of_means(0.2 * below, below)])
    margin = difference(ratio_of_means(0.8 * below, below), random)
    assert margin.value == pytest.approx(0.7)
    assert margin.run_variance == pytest.approx(0.01)
