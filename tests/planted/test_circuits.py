"""The generators keep what they promise, by ablating every unit of every model."""

import pytest
import torch

from mechint.circuit.space import Site
from tests.planted import Size, plant_channels, plant_heads, plant_neurons
from tests.planted.brute_force import changed_by_each, complement, multiplied
from tests.planted.circuits import LEAST_OF_EQUAL, cost_of

SMALL = (Size(), Size(n_layer=1, n_head=2, d_head=8), Size(n_layer=3, n_head=4, d_head=8))
LARGE = Size(n_layer=4, n_head=4, d_head=16)
GENERATORS = {"heads": plant_heads, "channels": plant_channels, "neurons": plant_neurons}
LAST = 9
DRAWN = {(kind, seed): None for kind in GENERATORS for seed in range(LAST + 1)}


@pytest.fixture(scope="module")
def planted():
    """Draws a model once; the last of the seeds has the largest size."""
    drawn = {}

    def planted(kind, seed):
        if (kind, seed) not in drawn:
            drawn[kind, seed] = GENERATORS[kind](seed, LARGE if seed == LAST else SMALL[seed % len(SMALL)])
        return drawn[kind, seed]

    return planted


@pytest.mark.parametrize(("kind", "seed"), DRAWN)
def test_the_planted_units_and_no_others_change_the_logits(planted, kind, seed):
    made = planted(kind, seed)
    tokens = made.examples(8, 5).tokens
    for layer in range(made.model.config.n_layer):
        for site in (Site(layer, kind) for kind in made.kinds):
            changed = changed_by_each(made.model, site, tokens)
            assert tuple(changed.nonzero().flatten().tolist()) == made.truth[site]


@pytest.mark.parametrize(("kind", "seed"), DRAWN)
def test_all_other_units_together_change_no_bit(planted, kind, seed):
    made = planted(kind, seed)
    tokens = made.examples(8, 5).tokens
    _, inside = complement(made)
    with torch.no_grad(), multiplied(made.model, inside):
        circuit = made.model(tokens)
    assert torch.equal(circuit, made.model(tokens))


@pytest.mark.parametrize(("kind", "seed"), DRAWN)
def test_without_the_planted_units_the_model_is_often_wrong(planted, kind, seed):
    made = planted(kind, seed)
    examples = made.examples(64, 6)
    outside, _ = complement(made)
    assert torch.equal(made.model(examples.tokens).argmax(-1), examples.targets)
    with torch.no_grad(), multiplied(made.model, outside):
        assert (made.model(examples.tokens).argmax(-1) == examples.targets).float().mean() < 0.9


@pytest.mark.parametrize("ablation", ["zero", "mean"])
@pytest.mark.parametrize("kind", GENERATORS)
def test_every_unit_costs_its_share_on_the_examples_it_was_drawn_with(planted, kind, ablation):
    """A fifth of an equal share; the stated least share is no more than any."""
    made = planted(kind, 0)
    examples = made.examples(64, 4)
    together = cost_of(made, made.truth, ablation, examples)
    shares = [
        cost_of(made, {site: (unit,)}, ablation, examples) / together
        for site in made.truth
        for unit in made.truth[site]
    ]
    assert min(shares) >= made.least_share >= LEAST_OF_EQUAL / len(shares)


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_seed_gives_one_model_and_another_seed_another(kind):
    first, again, other = (GENERATORS[kind](seed, SMALL[1]) for seed in (3, 3, 4))
    tokens = first.examples(2, 0).tokens
    assert first.truth == again.truth
    assert torch.equal(first.model(tokens), again.model(tokens))
    assert not torch.equal(first.model(tokens), other.model(tokens))


@pytest.mark.parametrize(("unit", "units_a_head"), [("channel", 4), ("head", 1)])
def test_planted_heads_are_found_in_a_space_of_channels_or_of_heads(planted, unit, units_a_head):
    made = planted("heads", 0)
    kept = made.kept(made.subject.space({"z": unit})).view(2, 4, units_a_head)  # [l h u]
    for layer in range(2):
        assert tuple(kept[layer].all(1).nonzero().flatten().tolist()) == made.truth[Site(layer, "z")]
    assert int(kept.sum()) == units_a_head * sum(map(len, made.truth.values()))
