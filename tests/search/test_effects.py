from dataclasses import replace

import pytest
import torch

from mechint.circuit.space import Site
from mechint.journal import Journal
from mechint.search.effects import attribute, integrate_gradients, leave_one_out, measure_sensitivity
from mechint.search.objective import untied
from tests.tiny import PLANTED_K, PLANTED_V, random_model

EFFECTS = {
    "attribution": lambda objective: attribute(objective, Journal()),
    "sensitivity": lambda objective: measure_sensitivity(objective, Journal()),
    "integrated": lambda objective: integrate_gradients(objective, Journal(), points=4),
    "leave one out": lambda objective: leave_one_out(objective, Journal()),
}


def on_heads(objective):
    """The same objective over whole heads instead of channels."""
    space = objective.subject.space({"z": "head"})
    ablated = objective.ablated.ablation.at([units.site for units in space.sites])
    return replace(objective, space=space, groups=untied(space), ablated=ablated)


def without(objective, entry, base=None):
    """Loss without one entry less that with it, by plain passes."""
    kept = torch.ones(objective.size, dtype=torch.bool) if base is None else base.clone()
    before = objective.loss(kept)
    kept[entry] = False
    return objective.loss(kept) - before


@pytest.mark.parametrize("metric", ["loss", "kl_div"])
@pytest.mark.parametrize("ablation", ["zero", "mean", "resample"])
@pytest.mark.parametrize("units", ["channels", "heads"])
def test_leaving_one_out_is_a_loop_of_plain_passes(make_objective, units, ablation, metric):
    objective = make_objective(metric, ablation, random_model().double())
    objective = on_heads(objective) if units == "heads" else objective
    expected = torch.tensor([without(objective, entry) for entry in range(objective.size)], dtype=torch.double)
    torch.testing.assert_close(leave_one_out(objective, Journal()), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("ablation", ["zero", "resample"])
def test_one_can_be_left_out_of_a_part_of_the_model(make_objective, ablation):
    objective = on_heads(make_objective("loss", ablation, random_model().double()))
    base = torch.tensor([False, True, True, True])
    expected = torch.tensor([without(objective, entry, base) for entry in range(4)], dtype=torch.double)
    torch.testing.assert_close(leave_one_out(objective, Journal(), within=base), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", EFFECTS)
def test_effects_do_not_depend_on_batches(make_objective, name):
    objective = make_objective(ablation="mean", model=random_model())
    one, many = (EFFECTS[name](replace(objective, batch_size=size)) for size in (1, 16))
    torch.testing.assert_close(one, many, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", EFFECTS)
def test_effects_do_not_grow_with_the_number_of_examples(make_objective, name):
    objective = make_objective(model=random_model())
    search = objective.task.search
    twice = search.take(torch.arange(len(search)).repeat(2))
    doubled = replace(objective, task=replace(objective.task, search=twice))
    torch.testing.assert_close(EFFECTS[name](doubled), EFFECTS[name](objective), atol=1e-6, rtol=1e-4)


def test_attribution_is_the_slope_of_the_loss(make_objective):
    """Central differences of a mask entry around 1, in float64."""
    objective = make_objective("loss", "mean", random_model().double())
    found = attribute(objective, Journal())
    rows = list(range(len(objective.task.search)))

    def loss(shift):
        mask = torch.ones(objective.size, dtype=torch.double)
        mask[21] += shift
        return float(objective.example_gradients(mask, rows)[0].mean())

    assert float(found[21]) == pytest.approx(-(loss(1e-4) - loss(-1e-4)) / 2e-4, rel=1e-3)


def test_integrated_gradients_add_up_to_the_difference_of_the_endpoints(make_objective):
    objective = make_objective("loss", "zero", random_model().double())
    nothing = torch.zeros(objective.size, dtype=torch.bool)
    total = float(integrate_gradients(objective, Journal(), points=32).sum())
    assert total == pytest.approx(objective.loss(nothing) - objective.loss(~nothing), rel=1e-3)


def test_sensitivity_is_the_mean_of_absolute_slopes(make_objective):
    objective = make_objective()
    _, each = objective.example_gradients(torch.ones(objective.size), range(len(objective.task.search)))
    torch.testing.assert_close(measure_sensitivity(objective, Journal()), each.abs().double().mean(0))


@pytest.mark.parametrize("name", EFFECTS)
def test_planted_channels_alone_have_effects(make_objective, name):
    """But for key 7 of layer 1, whose head has no planted value that it could move."""
    objective = make_objective(ablation="zero")
    by_site = objective.space.split(EFFECTS[name](objective))
    found = {site: tuple(effect.nonzero().flatten().tolist()) for site, effect in by_site.items()}
    assert found == PLANTED_K | PLANTED_V | {Site(1, "k"): (1,)}


def test_heads_share_passes(make_objective):
    """Of 32 examples: the model, its record, a try with three copies, one head alone, and two and one of the others."""
    objective = on_heads(make_objective(ablation="zero"))
    objective = replace(objective, batch_size=32)
    passes = []
    handle = objective.subject.model.register_forward_pre_hook(lambda module, inputs: passes.append(len(inputs[0])))
    leave_one_out(objective, Journal())
    handle.remove()
    assert passes == [32, 32, 96, 32, 64, 32]
