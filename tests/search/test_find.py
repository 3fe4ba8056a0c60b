from dataclasses import replace

import pytest
import torch

from mechint.errors import DivergedError
from mechint.journal import Journal
from mechint.search.find import find_mask, score_to
from mechint.search.settings import Guard, SearchSettings
from mechint.search.swap import swap
from tests.tiny import PLANTED_K, PLANTED_V

ESTIMATORS = ["integrated_gradients", "iterated_ig", "swap", "straight_through", "hard_concrete", "best"]


def settings(sparsity: float = 0.75, **more) -> SearchSettings:
    return SearchSettings(target_sparsity=sparsity, steps=40, **more)


def random_losses(objective, keep: int) -> list[float]:
    generator = torch.Generator().manual_seed(0)
    masks = [torch.randperm(objective.size, generator=generator) < keep for _ in range(20)]
    return [objective.loss(mask) for mask in masks]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_sparsity_asked_for_is_delivered(make_objective, estimator):
    winner = find_mask(make_objective(), estimator, settings(0.7), Journal())[0]
    assert int(winner.kept.sum()) == 32 - round(0.7 * 32)


@pytest.mark.parametrize("estimator", ["integrated_gradients", "iterated_ig", "swap", "best"])
def test_a_planted_circuit_ranks_above_every_random_one(make_objective, estimator):
    objective = make_objective(ablation="mean")
    winner = find_mask(objective, estimator, settings(), Journal())[0]
    assert winner.search_loss < min(random_losses(objective, 8))


@pytest.mark.parametrize("estimator", ["straight_through", "hard_concrete"])
def test_learned_masks_beat_the_typical_random_circuit(make_objective, estimator):
    objective = make_objective(ablation="mean")
    winner = find_mask(objective, estimator, settings(0.5), Journal())[0]
    losses = sorted(random_losses(objective, 16))
    assert winner.search_loss < losses[len(losses) // 2]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_same_seed_finds_the_same_mask(make_objective, estimator):
    first, second = (find_mask(make_objective(), estimator, settings(seed=3), Journal())[0] for _ in range(2))
    assert torch.equal(first.kept, second.kept)
    assert first.search_loss == second.search_loss


def test_candidates_come_best_first(make_objective):
    candidates = find_mask(make_objective(), "best", settings(), Journal())
    losses = [candidate.search_loss for candidate in candidates]
    assert losses == sorted(losses)
    assert {candidate.estimator for candidate in candidates} == {
        "iterated_ig", "swap", "straight_through", "hard_concrete",
    }  # fmt: skip


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_steps_are_the_backward_passes(make_objective, estimator, monkeypatch):
    objective, calls = make_objective(), []
    gradient = type(objective).gradient
    monkeypatch.setattr(type(objective), "gradient", lambda *given: calls.append(1) or gradient(*given))
    find_mask(objective, estimator, settings(), Journal())
    assert 40 - 3 <= len(calls) <= 40


def test_swap_improves_a_bad_start_at_the_same_size(make_objective):
    objective = make_objective(ablation="mean")
    start = torch.arange(32) < 8
    found = swap(objective, settings(), Journal(), Guard(stage="swap", ceiling=99), start)
    assert int(found.sum()) == 8
    assert objective.loss(found) < objective.loss(start)


def test_scores_are_highest_on_planted_units(make_objective):
    objective = make_objective()
    scores = objective.space.split(score_to(objective, torch.ones(32, dtype=torch.bool), points=2, first_step=0))
    planted = torch.cat([scores[site][list(units)] for site, units in (PLANTED_V | PLANTED_K).items()])
    everything = torch.cat(list(scores.values()))
    assert planted.abs().sum() == pytest.approx(float(everything.abs().sum()))


def test_scores_of_a_circuit_add_up_to_what_it_gains_over_nothing(make_objective):
    """The integral of a gradient along a way is the difference between its ends."""
    objective = replace(make_objective(), batch_size=32)  # every example in every batch
    kept = torch.arange(32) % 3 == 0
    scores = score_to(objective, kept, points=64, first_step=0)
    gained = objective.loss(torch.zeros_like(kept)) - objective.loss(kept)
    assert float(scores[kept].sum()) == pytest.approx(gained, rel=1e-3)


def test_a_loss_that_is_not_a_number_stops_the_search_with_advice():
    with pytest.raises(DivergedError, match=r"became nan, at step 7\n  hint: lower method\.learning_rate"):
        Guard(stage="swap", ceiling=5).check(float("nan"), 7)


def test_a_loss_that_stays_above_the_ceiling_stops_the_search():
    guard = Guard(stage="swap", ceiling=5)
    for step in range(9):
        guard.check(6.0, step)
    with pytest.raises(DivergedError, match="rose to 6"):
        guard.check(6.0, 9)


def test_patience_ends_a_stage_early(make_objective):
    journal = Journal()
    find_mask(make_objective(), "swap", settings(patience=3), journal)
    assert len([row for row in journal.rows if row["stage"] == "swap"]) < 30
