import statistics

import pytest
import torch

from mechint.comparison.entries import describe_entry, third_of
from tests.comparison.runs import load, made, space_of

SEEDS = [made(f"stepV0-seed{seed}", seed, family="stepV0") for seed in range(3)]


@pytest.mark.parametrize(
    ("layers", "thirds"),
    [(1, "m"), (2, "el"), (3, "eml"), (4, "emml"), (6, "eemmll"), (7, "eemmmll"), (12, "eeeemmmmllll")],
)
def test_thirds_are_of_true_layer_order_and_the_same_from_both_ends(layers, thirds):
    assert "".join(third_of(layer, layers)[0] for layer in range(layers)) == thirds


def test_layers_are_in_order_and_so_is_their_depth():
    entry = describe_entry(load(made("stepV0", 0, space=space_of(12, kinds=("k",)))), "stepV0", None)
    assert [site.layer for site in entry.sites] == list(range(12))
    assert [site.depth for site in entry.sites] == pytest.approx([layer / 11 for layer in range(12)])


def test_a_circuit_in_some_layers_of_a_model_has_the_models_depths():
    entry = describe_entry(load(made("stepV0", 0, space=space_of(4), layers=12)), "stepV0", None)
    assert {(site.layer, site.third) for site in entry.sites} == {(layer, "early") for layer in range(4)}


def test_seeds_are_one_entry_with_mean_and_spread():
    entry = describe_entry(load(*SEEDS), "stepV0", None)
    shares = [float(seed.circuit.space.split(seed.circuit.kept)[unit.site].float().mean())
              for unit in SEEDS[0].circuit.space.sites[:1] for seed in SEEDS]  # fmt: skip
    assert entry.seeds == (0, 0, 0)
    assert entry.sites[0].share == pytest.approx(statistics.fmean(shares))
    assert entry.sites[0].spread == pytest.approx(statistics.stdev(shares))


def test_the_agreement_of_seeds_is_the_mean_over_pairs():
    kept = [seed.circuit.kept for seed in SEEDS]
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = statistics.fmean(int((kept[a] & kept[b]).sum()) / int((kept[a] | kept[b]).sum()) for a, b in pairs)
    agreement = describe_entry(load(*SEEDS), "stepV0", None).agreement
    assert agreement.jaccard == pytest.approx(expected)
    assert agreement.pairs == 3


def test_one_seed_has_no_spread():
    entry = describe_entry(load(SEEDS[0]), "stepV0", None)
    assert entry.agreement is None
    assert {site.spread for site in entry.sites} == {None}


@pytest.mark.parametrize(
    ("space", "units"),
    [
        (space_of(), "channels"),
        (space_of(width=1), "heads"),
        (space_of(heads=1, width=1), "sites"),
        (space_of(heads=1, width=64, kinds=("mlp_post",)), "neurons"),
        (space_of(heads=1, width=64, kinds=("mlp_post", "v")), "units"),
    ],
)
def test_units_have_their_name(space, units):
    assert describe_entry(load(made("stepV0", 0, space=space)), "stepV0", None).units == units


def test_scores_that_are_no_numbers_have_no_mean():
    one = made("stepV0", 0)
    one.circuit.scores[0] = torch.nan
    entry = describe_entry(load(one), "stepV0", None)
    assert entry.sites[0].mean_score is None
    assert entry.sites[1].mean_score is not None
