from dataclasses import replace

import pytest
import torch

from mechint.circuit.space import Site
from tests.tiny import loss, random_model


def test_all_kept_is_the_full_models_loss(make_objective):
    objective = make_objective()
    search = objective.task.search
    full = loss("loss", objective.subject.logits(search.tokens), search).mean()
    assert objective.loss(torch.ones(32, dtype=torch.bool)) == pytest.approx(float(full), rel=1e-6)


@pytest.mark.parametrize("ablation", ["zero", "mean", "resample"])
@pytest.mark.parametrize("metric", ["loss", "accuracy", "perplexity", "kl_div"])
def test_the_gradient_is_the_slope_of_the_loss(make_objective, ablation, metric):
    """Central differences in float64 on one batch, unit by unit."""
    objective = make_objective(metric, ablation, random_model().double())
    mask = torch.linspace(0.2, 0.9, 32, dtype=torch.float64)
    _, gradient = objective.gradient(mask, step=0)
    unit = torch.zeros(32, dtype=torch.float64)
    unit[21] = 1e-5
    slope = (objective.gradient(mask + unit, 0)[0] - objective.gradient(mask - unit, 0)[0]) / 2e-5
    assert float(gradient[21]) == pytest.approx(slope, rel=1e-4, abs=1e-8)


def test_an_empty_mask_gives_keys_no_gradient_and_a_full_one_does(make_objective):
    """With every V zero, attention patterns cannot matter; this is why no search starts from nothing."""
    objective = make_objective()

    def steepest_key(mask):
        by_site = objective.space.split(objective.gradient(mask, 0)[1])
        return float(by_site[Site(0, "k")].abs().max())

    assert steepest_key(torch.zeros(32)) == 0
    assert steepest_key(torch.ones(32)) > 1e-4


def test_batches_use_every_example_once_an_epoch(make_objective):
    objective = make_objective()
    rows = objective._rows(0) + objective._rows(1)
    assert sorted(rows) == list(range(32))
    assert objective._rows(2) != objective._rows(0)


def test_units_that_share_an_entry_share_its_gradient(make_objective):
    objective = make_objective()
    tied = replace(objective, groups=torch.arange(16).repeat(2))
    _, apart = objective.gradient(torch.ones(32), 0)
    _, together = tied.gradient(torch.ones(16), 0)
    torch.testing.assert_close(together, apart[:16] + apart[16:])


def with_less_room(objective, count, weight=None):
    """The same objective in passes of so many examples, which may count differently."""
    search = replace(objective.task.search, weight=weight)
    task = replace(objective.task, search=search)
    return (
        replace(objective, task=task),
        replace(objective, task=task, subject=replace(objective.subject, most_at_once=count)),
    )


@pytest.mark.parametrize("count", [1, 5, 8, 15])
@pytest.mark.parametrize("weighted", [False, True])
def test_pieces_add_up_to_the_batch(make_objective, count, weighted):
    """In float64, where only rounding is left; the batch has 16 examples, so that 5 and 15 leave a rest."""
    objective = make_objective(model=random_model().double())
    weight = torch.linspace(0.5, 2, len(objective.task.search), dtype=torch.double) if weighted else None
    whole, pieces = with_less_room(objective, count, weight)
    mask = torch.linspace(0.2, 0.9, 32, dtype=torch.float64)
    known, found = whole.gradient(mask, 1), pieces.gradient(mask, 1)
    assert found[0] == pytest.approx(known[0], rel=1e-10)
    assert torch.allclose(found[1], known[1], rtol=1e-8, atol=1e-12)
    assert pieces.loss(mask > 0.5) == pytest.approx(whole.loss(mask > 0.5), rel=1e-10)
    assert torch.allclose(pieces.scores(mask > 0.5), whole.scores(mask > 0.5), rtol=1e-10)


def test_no_pass_holds_more_examples_than_there_is_room_for(make_objective):
    _, pieces = with_less_room(make_objective(), 3)
    sizes = []
    pieces.subject.model.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    pieces.gradient(torch.ones(32), 0)
    pieces.loss(torch.ones(32, dtype=torch.bool))
    assert max(sizes) == 3
