import pytest

from mechint.comparison.entries import describe_entry
from mechint.comparison.layers import layer_deltas
from tests.comparison.runs import load, made, space_of


def entry(layers=4, draw=0, **changed):
    return describe_entry(load(made("V0", draw, space=space_of(layers, kinds=("v",)), **changed)), "V0", None)


def test_an_entry_beside_itself_has_no_deltas():
    deltas = list(layer_deltas(entry(), entry()))
    assert len(deltas) == 4
    assert {(one.delta_kept, one.delta_share, one.delta_sparsity, one.delta_score) for one in deltas} == {(0, 0, 0, 0)}


def test_layers_are_in_order():
    assert [one.layer for one in layer_deltas(entry(12), entry(12))] == list(range(12))


@pytest.mark.parametrize(
    ("ours", "theirs", "beside"),
    [
        (4, 4, "0123"),
        (4, 6, "0235"),  # depths 0 1/3 2/3 1 beside 0 .2 .4 .6 .8 1
        (6, 4, "011223"),
        (3, 2, "001"),  # a half is as near to either, so the earlier
        (1, 5, "0"),
        (2, 48, ("0", "47")),
    ],
)
def test_other_depths_are_matched_by_the_nearest_relative_depth(ours, theirs, beside):
    found = [one.base_site for one in layer_deltas(entry(ours), entry(theirs))]
    assert found == [f"v.{layer}" for layer in beside]


def test_other_widths_have_no_difference_in_units():
    wide = describe_entry(load(made("V1", 0, space=space_of(width=64, kinds=("v",)))), "V1", None)
    assert {one.delta_kept for one in layer_deltas(wide, entry())} == {None}


def test_sparsity_falls_as_the_share_rises():
    for one in layer_deltas(entry(draw=1, share=0.9), entry()):
        assert one.delta_sparsity == pytest.approx(-one.delta_share)
        assert one.delta_kept == pytest.approx(32 * one.delta_share)


def test_scores_of_another_meaning_have_no_difference():
    deltas = layer_deltas(entry(changed={"scores_are": "an effect"}), entry())
    assert {one.delta_score for one in deltas} == {None}
