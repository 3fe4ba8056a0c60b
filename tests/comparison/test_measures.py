import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from mechint.comparison.entries import describe_entry
from mechint.comparison.measures import measure_differences
from tests.comparison.runs import load, made


def differences(base, entry):
    four = describe_entry(entry, "entry", None), describe_entry(base, "base", None), entry, base
    return {one.quantity: one for one in measure_differences(*four)}


def losses(one):
    return one.values.values["circuit"]["loss"]


BASE, ENTRY = made("V0", 0, hard=1), made("V1", 1, hard=1, lost=0.4)
OTHER = made("V1", 1, hard=2, lost=0.4, methodology={"examples_sha256": "ee" * 32})


def test_on_the_same_examples_the_test_is_paired():
    found = differences(load(BASE), load(ENTRY))["loss"]
    assert found.p == pytest.approx(ttest_rel(losses(ENTRY), losses(BASE)).pvalue)
    assert found.delta == pytest.approx(np.mean(losses(ENTRY) - losses(BASE)))
    assert found.low < found.delta < found.high
    assert found.test == "paired t over 64 examples"


def test_on_other_examples_it_is_not():
    found = differences(load(BASE), load(OTHER))["loss"]
    expected = ttest_ind(losses(OTHER), losses(BASE), equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.test == "unpaired t (Welch) over 64 and 64 different examples"


def test_pairs_show_what_samples_do_not():
    paired, apart = differences(load(BASE), load(ENTRY))["loss"], differences(load(BASE), load(OTHER))["loss"]
    assert paired.p < 0.01 < apart.p


def test_the_same_values_do_not_differ():
    assert {(one.delta, one.p) for one in differences(load(BASE), load(BASE)).values()} == {(0.0, 1.0)}


def test_a_measure_that_one_of_them_lacks_is_left_out():
    with_curve = made("V1", 1, sizes=(0.1, 0.5, 1.0))
    assert "cpr" not in differences(load(BASE), load(with_curve))
    assert "cpr" in differences(load(with_curve), load(with_curve))


def test_a_measure_without_a_meaning_is_not_tested():
    broken = made("V1", 1, hard=1)
    broken.values.values["full"]["loss"][:] = broken.values.values["empty"]["loss"]
    found = differences(load(BASE), load(broken))["faithfulness"]
    assert (found.value, found.delta, found.p, found.test) == (None, None, None, "")


def test_seeds_widen_the_interval():
    """Three seeds whose circuits are not equally good, against one: the one may be as far off."""
    seeds = [made(f"V1-seed{at}", at, hard=1, lost=lost, family="V1") for at, lost in enumerate((0.1, 0.3, 0.6))]
    several = differences(load(BASE), load(*seeds))["loss"]
    one = differences(load(BASE), load(seeds[1]))["loss"]
    assert several.high - several.low > 3 * (one.high - one.low)
