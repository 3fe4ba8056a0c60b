"""Estimators that learn a relaxed mask by gradient descent on frozen weights."""

from __future__ import annotations

import torch
from torch import Tensor

from mechint.circuit.circuit import keep_top
from mechint.circuit.masks import hard_concrete_open, hard_concrete_sample, straight_through
from mechint.circuit.schedules import sparsity_at, temperature_at
from mechint.circuit.space import count_kept
from mechint.journal import Journal
from mechint.search.objective import Objective
from mechint.search.settings import Guard, SearchSettings
from mechint.steps import State

__all__ = ["learn_hard_concrete", "learn_straight_through"]

ASCENT = 10.0
"""Learning rate of the multipliers over that of the odds: the constraint must be felt within a few hundred steps."""


def learn_straight_through(objective: Objective, settings: SearchSettings, journal: Journal, guard: Guard) -> Tensor:
    """Learn logits whose top units are the mask at every step, along the sparsity schedule: boolean ``[m]``.

    The logits start above 0 with all units kept: from an empty mask K would get no gradient, since every V is 0.
    """
    logits = _start(objective.size, settings.seed)
    optimizer = torch.optim.Adam([logits], lr=settings.learning_rate)
    steps = journal.steps(guard.stage, settings.steps, {"logits": logits, "optimizer": optimizer, "guard": guard})
    for step in steps:
        target = sparsity_at(settings.schedules.sparsity, settings.target_sparsity, step, settings.steps)
        temperature = temperature_at(settings.schedules.temperature, step, settings.steps)
        keep = count_kept(objective.size, target)
        mask, probability = straight_through(logits, keep, temperature, hard=settings.hard_masks)
        loss, gradient = objective.gradient(mask, step)
        guard.check(loss, step)
        optimizer.zero_grad()
        (mask @ gradient + settings.l1_lambda * probability.mean()).backward()
        optimizer.step()
        journal.log(
            guard.stage,
            step + 1,
            settings.steps,
            loss=loss,
            sparsity=1 - float(mask.detach().mean()),
            target_sparsity=target,
            temperature=temperature,
        )
        if target == settings.target_sparsity and guard.exhausted(loss):
            steps.stop()
            break
    return keep_top(logits.detach(), settings.keep(objective.size))


def learn_hard_concrete(objective: Objective, settings: SearchSettings, journal: Journal, guard: Guard) -> Tensor:
    """Learn the odds of each unit, with a Lagrangian that holds the expected sparsity to the schedule: boolean ``[m]``.

    Louizos et al. 2018 (1712.01312) for the distribution, Edge Pruning (2406.16778) for the constraint
    ``lambda1 x + lambda2 x^2``, whose multipliers ascend. Here x is how far the sparsity falls short of the schedule,
    and 0 beyond it: being early costs nothing, and the multipliers need not swing back from it.
    """
    log_alpha = _start(objective.size, settings.seed)
    multipliers = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.Adam([log_alpha], lr=settings.learning_rate)
    ascent = torch.optim.Adam([multipliers], lr=ASCENT * settings.learning_rate, maximize=True)
    generator = torch.Generator().manual_seed(settings.seed)
    learned: State = {"log_alpha": log_alpha, "multipliers": multipliers, "optimizer": optimizer, "ascent": ascent}
    steps = journal.steps(guard.stage, settings.steps, {**learned, "generator": generator, "guard": guard})
    for step in steps:
        target = sparsity_at(settings.schedules.sparsity, settings.target_sparsity, step, settings.steps)
        mask = hard_concrete_sample(log_alpha, generator)
        loss, gradient = objective.gradient(mask, step)
        guard.check(loss, step)
        sparsity = 1 - hard_concrete_open(log_alpha).mean()
        shortfall = torch.relu(target - sparsity)
        penalty = multipliers[0] * shortfall + multipliers[1] * shortfall**2
        optimizer.zero_grad()
        ascent.zero_grad()
        (mask @ gradient + penalty + settings.l1_lambda * (1 - sparsity)).backward()
        optimizer.step()
        ascent.step()
        journal.log(
            guard.stage, step + 1, settings.steps, loss=loss, sparsity=float(sparsity.detach()), target_sparsity=target
        )
        if target == settings.target_sparsity and guard.exhausted(loss):
            steps.stop()
            break
    return keep_top(log_alpha.detach(), settings.keep(objective.size))


def _start(size: int, seed: int) -> Tensor:
    """Logits ``[m]`` above 0, told apart by a little seeded noise."""
    generator = torch.Generator().manual_seed(seed)
    return (1 + 0.01 * torch.randn(size, generator=generator)).requires_grad_()
