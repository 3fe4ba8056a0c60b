import math

import numpy as np
import pytest

from mechint.faithfulness.estimate import flaw, mean, ratio_of_means


def test_a_mean_and_what_each_example_moves():
    """The variance of 1, 2, 3, 4 is 5/3, so the error of their mean is the root of 5/12."""
    found = mean([1, 2, 3, 4])
    assert found.value == 2.5
    assert found.influence.tolist() == [-1.5, -0.5, 0.5, 1.5]
    assert found.error == pytest.approx(math.sqrt(5 / 12))
    assert found.degrees == 3


def test_weights_count_in_the_value_and_in_the_error():
    """(3 * 1 + 1 * 4) / 4 = 7/4; influences 3 (1 - 7/4) / 2 and (4 - 7/4) / 2, their squares over 2 * 1."""
    found = mean([1, 4], weights=[3, 1])
    assert found.value == 1.75
    assert found.influence.tolist() == [-1.125, 1.125]
    assert found.error == 1.125


def test_a_ratio_of_means_and_what_each_example_moves():
    """4.4 / 8 = .55; the influence of the last is (1.4 - .55 * 2) / 2 = .15."""
    found = ratio_of_means([1, 1.2, 0.8, 1.4], [2, 2.2, 1.8, 2])
    assert found.value == pytest.approx(0.55)
    assert found.influence == pytest.approx([-0.05, -0.005, -0.095, 0.15])


def test_a_metric_where_lower_is_better_gives_the_same_ratio():
    above, below = np.array([1, 1.2, 0.8, 1.4]), np.array([2, 2.2, 1.8, 2])
    turned = ratio_of_means(-above, -below)
    assert turned.value == ratio_of_means(above, below).value
    assert turned.error == ratio_of_means(above, below).error


def test_the_error_of_a_ratio_is_its_spread_over_samples():
    generator = np.random.default_rng(0)
    samples = []
    for _ in range(2000):
        below = generator.normal(2, 1, size=100)
        samples.append(ratio_of_means(0.8 * below + generator.normal(size=100), below))
    assert np.std([sample.value for sample in samples]) == pytest.approx(
        np.mean([sample.error for sample in samples]), rel=0.05
    )


def test_the_full_model_is_1_and_the_empty_one_0_exactly():
    below = np.random.default_rng(0).normal(3, 1, size=50)
    assert ratio_of_means(below, below, weights=np.arange(1, 51)).value == 1
    assert ratio_of_means(0 * below, below).value == 0


@pytest.mark.parametrize(
    ("values", "why"),
    [([], "there are no examples"), ([1.0], "one example"), ([1.0, math.nan], "finite"), ([1.0, math.inf], "finite")],
)
def test_a_mean_without_a_meaning_is_undefined(values, why):
    assert mean(values) is None
    assert why in flaw(values)


@pytest.mark.parametrize("below", [[1.0, -1.0, 1.0, -1.0], [0.0, 0.0, 0.0, 0.0], [3.0, 0.0, 1.0, 0.5]])
def test_a_ratio_is_undefined_where_its_denominator_lies_within_its_own_interval(below):
    """The third: mean 1.125, error .657, and Student's 95 % quantile with 3 degrees is 3.18."""
    assert ratio_of_means([1.0, 2.0, 3.0, 4.0], below) is None
    assert "do not differ beyond" in flaw([1.0, 2.0, 3.0, 4.0], below)


def test_a_constant_denominator_divides():
    assert ratio_of_means([1, 0, 1, 1], [1, 1, 1, 1]).value == 0.75


def test_clusters_of_equal_examples_count_as_one_each():
    eight = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    found = mean(np.repeat(eight, 4), clusters=list(np.repeat(list("abcdefgh"), 4)))
    assert found.error == pytest.approx(mean(eight).error)
    assert found.degrees == 7
    assert mean(np.repeat(eight, 4)).error < found.error / 1.9


@pytest.mark.parametrize("sizes", [[4] * 7, [100] + [1] * 20], ids=["seven", "one of them almost everything"])
def test_too_few_clusters_are_not_compared(sizes):
    clusters = np.repeat(np.arange(len(sizes)), sizes).tolist()
    values = np.random.default_rng(0).normal(size=len(clusters))
    assert mean(values, clusters=clusters).error == mean(values).error


@pytest.mark.parametrize(
    ("found", "share", "graded", "step"),
    [
        (mean([0, 1, 1, 1]), True, False, 1),
        (mean([0, 1, 1, 1], weights=[1, 2, 1, 1]), False, False, 1),
        (mean([0.3, 1.2, 2.2, 1.7]), False, True, 0),
        (mean([3, 3, 3, 2]), False, False, 0),
        (ratio_of_means([0, 1, 1, 0], [1, 1, 1, 1]), False, False, 1),
        (ratio_of_means([0, 0, 0, 0], [1.1, 1.3, 1.2, 1.4]), False, True, 0),
    ],
    ids=["share", "weighted share", "graded", "few values", "ratio of shares", "empty model"],
)
def test_what_sort_of_values_it_rests_on(found, share, graded, step):
    assert (found.share, found.graded, found.step) == (share, graded, step)


def test_constant_values_of_an_unknown_scale_say_nothing():
    assert mean([0.1] * 50).uninformative
    assert not mean([1] * 50).uninformative
    assert not mean([0.1] * 49 + [0.2]).uninformative
