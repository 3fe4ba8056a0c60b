import statistics

import numpy as np
import pytest
import torch
from scipy.stats import fisher_exact, ttest_ind

from mechint.circuit.circuit import Circuit
from mechint.comparison.entries import describe_entry
from mechint.comparison.shares import share_differences
from tests.comparison.runs import Made, load, made, random_values, space_of


def differences(base, entry):
    """By kind and third."""
    four = describe_entry(entry, "entry", None), describe_entry(base, "base", None), entry, base
    return {(one.kind, one.third): one for one in share_differences(*four)}


def kept_by(sites, space, width=16):
    """A circuit that keeps the first of each head's units at the sites, as many as asked."""
    kept = [torch.arange(units.width).repeat(units.heads) < sites.get(str(units.site), 0) for units in space.sites]
    circuit = Circuit(space=space, kept=torch.cat(kept), scores=torch.zeros(space.size))
    return load(Made(name="V0", circuit=circuit, values=random_values(0)))


def test_the_p_of_units_is_fishers():
    """Four heads of which each keeps 4 of 16 units, against 9 of 16; heads vary less than by chance."""
    space = space_of(heads=4)
    found = differences(kept_by({"v.3": 4, "k.0": 5}, space), kept_by({"v.3": 9, "k.0": 5}, space))
    assert found["v", "late"].p == pytest.approx(fisher_exact([[36, 28], [16, 48]]).pvalue)
    assert found["v", "late"].delta == pytest.approx(5 / 16)
    assert found["k", "early"].p == 1
    assert found["", None].p == pytest.approx(fisher_exact([[56, 456], [36, 476]]).pvalue)


def test_heads_that_are_kept_as_a_whole_are_less_than_their_channels():
    """One head of four against three of four: 16 of 64 channels against 48 of 64, but four heads against four."""
    space = space_of(layers=1, heads=4, kinds=("v",))
    loaded = []
    for count in (1, 3):
        kept = torch.arange(64) < 16 * count
        circuit = Circuit(space=space, kept=kept, scores=torch.zeros(64))
        loaded.append(load(Made(name="V0", circuit=circuit, values=random_values(0))))
    found = differences(*loaded)["v", "middle"]
    assert fisher_exact([[48, 16], [16, 48]]).pvalue < 1e-7
    assert found.p > 0.1


def test_heads_as_units_are_fishers_alone():
    space = space_of(layers=3, heads=32, width=1, kinds=("z",))
    loaded = [load(made("V0", seed, space=space, favoured={"z.2": share})) for seed, share in ((0, 0.2), (1, 0.9))]
    found = differences(*loaded)["z", "late"]
    table = [[round(32 * share), 32 - round(32 * share)] for share in (found.value, found.base_value)]
    assert found.p == pytest.approx(fisher_exact(table).pvalue)
    assert "heads kept as a whole" not in found.test


def test_seeds_must_agree_that_there_is_a_difference():
    """Student's test between the shares of three seeds each, where it is the weaker evidence."""
    space = space_of(layers=3, heads=8, width=32, kinds=("v",))
    shares = {"base": (0.1, 0.3, 0.5), "entry": (0.3, 0.5, 0.7)}
    base, entry = (
        load(*(made(f"V0-seed{at}", 10 * at, space=space, share=share) for at, share in enumerate(shares[name])))
        for name in ("base", "entry")
    )
    kept = [[float(circuit.kept.mean()) for circuit in one.circuits] for one in (entry, base)]
    found = differences(base, entry)["", None]
    assert found.p == pytest.approx(ttest_ind(*kept).pvalue)
    assert found.value == pytest.approx(statistics.fmean(kept[0]))


def test_thirds_that_a_model_lacks_are_left_out():
    found = differences(*(load(made("V0", seed, space=space_of(layers))) for seed, layers in ((0, 2), (1, 6))))
    assert [third for kind, third in found if kind == "k"] == ["early", "late"]


def test_models_of_other_widths_are_compared_by_shares():
    found = differences(*(load(made("V0", 0, space=space_of(width=width), share=1.0)) for width in (8, 64)))
    assert {(one.delta, one.p) for one in found.values()} == {(0.0, 1.0)}


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nothing_kept_and_all_kept_have_a_p(share):
    found = differences(load(made("V0", 0, share=share)), load(made("V0", 1, share=0.5)))
    assert all(np.isfinite(one.p) for one in found.values())
