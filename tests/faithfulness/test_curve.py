import numpy as np
import pytest

from mechint.faithfulness.combine import combine
from mechint.faithfulness.curve import cmd, cpr, cpr_log, linear_weights, log_weights
from mechint.faithfulness.estimate import ratio_of_means

SIZES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
FAITHFUL = [1.0] * 10
USELESS = [0.0] * 9 + [1.0]


def test_a_circuit_as_good_as_the_model_at_every_size():
    """From .001 to 1 is .999, in logarithms all of the axis, and nothing lies between the model and 1."""
    assert cpr(SIZES, FAITHFUL) == pytest.approx(0.999)
    assert cpr_log(SIZES, FAITHFUL) == pytest.approx(1)
    assert cmd(SIZES, FAITHFUL) == 0


def test_a_circuit_that_is_good_for_nothing_until_it_is_the_model():
    """Half of the last step: .25; the rest, .999 - .25 = .749; in logarithms half of ln 2 of ln 1000, .0502."""
    assert cpr(SIZES, USELESS) == pytest.approx(0.25)
    assert cmd(SIZES, USELESS) == pytest.approx(0.749)
    assert cpr_log(SIZES, USELESS) == pytest.approx(np.log(2) / 2 / np.log(1000))


def test_too_faithful_is_as_far_off_as_too_little():
    """Triangles of .5 on either side of 1, which is .25 each over a width of 1."""
    assert cmd([1, 2, 3], [0.5, 1, 1.5]) == pytest.approx(0.5)
    assert cpr([1, 2, 3], [0.5, 1, 1.5]) == pytest.approx(2)


def test_the_logarithm_gives_each_factor_the_same_weight():
    assert log_weights([0.01, 0.1, 1.0]) == pytest.approx([0.25, 0.5, 0.25])
    assert linear_weights([0.01, 0.1, 1.0]) == pytest.approx([0.045, 0.495, 0.45])


def test_an_area_of_estimates_has_an_error():
    below = np.random.default_rng(0).normal(3, 1, size=100)
    noise = np.random.default_rng(1).normal(size=100)
    curve = [ratio_of_means(0.4 * below + noise, below), ratio_of_means(below, below)]
    found = combine(curve, linear_weights([0.5, 1.0]))
    assert found.value == pytest.approx(cpr([0.5, 1.0], [curve[0].value, 1]))
    assert found.error == pytest.approx(curve[0].error / 4)


@pytest.mark.parametrize("sizes", [[1.0], [0.0, 1.0], [0.5, 0.1, 1.0], [0.5, 0.5, 1.0]])
def test_sizes_rise_from_above_0(sizes):
    with pytest.raises(AssertionError):
        cpr(sizes, [1.0] * len(sizes))
