import pytest
from scipy.stats import spearmanr

from mechint.comparison.maps import map_deltas
from mechint.results.values import EffectTable
from tests.comparison.runs import load, made

MEANS = ((0.1, -0.9, 0.3), (0.2, None, 0.4))


def entry(means=MEANS, **changed):
    empty = tuple((None,) * 3 for _ in means)
    table = EffectTable(
        name="z", title="heads", quantity="share", row_axis="layer", column_axis="head", rows=("0", "1"),
        columns=("0", "1", "2"), mean=means, low=empty, high=empty, examples=((1, 1, 1), (1, 0, 1)),
    ).model_copy(update=changed)  # fmt: skip
    return load(made("V0", 0, changed={"effects": (table,)}))


def test_peaks_are_the_largest_in_size():
    (found,) = map_deltas("V1", entry(((0.1, 0.2, 0.3), (0.9, None, 0.4))), entry())
    assert (found.peak, found.value, found.base_peak, found.base_value) == ("1@0", 0.9, "0@1", -0.9)


def test_the_correlation_is_over_places_that_both_have():
    (found,) = map_deltas("V1", entry(((0.1, 0.2, 0.3), (0.9, None, 0.4))), entry())
    assert found.spearman == pytest.approx(spearmanr([0.1, 0.2, 0.3, 0.9, 0.4], [0.1, -0.9, 0.3, 0.2, 0.4]).statistic)


def test_maps_of_other_places_have_no_correlation():
    (found,) = map_deltas("V1", entry(rows=("0", "2")), entry())
    assert found.spearman is None


def test_effects_of_another_quantity_are_not_compared():
    assert list(map_deltas("V1", entry(quantity="nats"), entry())) == []
