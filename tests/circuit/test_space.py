import pytest
import torch

from mechint.circuit.space import Site, SiteUnits, Space

SPACE = Space(
    sites=(SiteUnits(site=Site(0, "k"), heads=2, width=3), SiteUnits(site=Site(0, "v"), heads=2, width=2)),
)


def test_size_counts_every_unit():
    assert SPACE.size == 6 + 4


def test_split_gives_each_site_its_part():
    pieces = SPACE.split(torch.arange(10))
    assert pieces[Site(0, "v")].tolist() == [6, 7, 8, 9]


def test_split_refuses_another_length():
    with pytest.raises(AssertionError, match="10 units"):
        SPACE.split(torch.zeros(9))


def test_layer_2_sorts_before_layer_10():
    assert sorted([Site(10, "k"), Site(2, "v")]) == [Site(2, "v"), Site(10, "k")]


@pytest.mark.parametrize("sparsity", [0.0, 0.33, 0.5, 0.95, 1.0])
def test_kept_count_is_within_one_unit(sparsity):
    assert abs((1 - SPACE.kept_count(sparsity) / SPACE.size) - sparsity) <= 1 / SPACE.size


HEADS = Space(
    sites=(
        SiteUnits(site=Site(0, "z"), heads=2, width=3, grain=3),
        SiteUnits(site=Site(0, "mlp_post"), heads=1, width=4),
        SiteUnits(site=Site(0, "attn_out"), heads=1, width=2, grain=2),
    )
)


def test_units_of_several_channels_are_counted_as_one():
    assert [(units.count, units.channels) for units in HEADS.sites] == [(2, 6), (4, 4), (1, 2)]


def test_a_units_value_is_spread_over_its_channels():
    spread = HEADS.spread(torch.tensor([1, 0, 1, 0, 0, 1, 1]))
    assert [values.tolist() for values in spread.values()] == [[1, 1, 1, 0, 0, 0], [1, 0, 0, 1], [1, 1]]
