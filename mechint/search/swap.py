"""Gradient swaps: discrete local search at the exact budget.

Every step takes the gradient with respect to the mask at the current hard mask, on all units: for a kept unit it says
what removing it would cost, for a dropped one what adding it would gain. Kept units of least gain are traded for
dropped ones of most. It has the straight-through estimator's gradient and no relaxation: the budget holds throughout.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mechint.journal import Journal
from mechint.search.objective import Objective
from mechint.search.settings import Guard, SearchSettings

__all__ = ["swap"]

MEMORY = 0.7
"""Weight of the past in the moving average of the gain."""
LARGEST_TRADE = 0.1
"""Share of the circuit traded at most in the first step; shrinks linearly to nothing."""


def swap(objective: Objective, settings: SearchSettings, journal: Journal, guard: Guard, start: Tensor) -> Tensor:
    """Improve ``start``, a boolean mask ``[m]``, by trades; returns as many kept entries as it was given."""
    kept = start.clone()  # changed in place, as all that the journal keeps
    count = int(kept.sum())
    gain = torch.zeros(objective.size)
    sparsity = 1 - count / objective.size
    steps = journal.steps(guard.stage, settings.steps, {"kept": kept, "gain": gain, "guard": guard})
    for step in steps:
        loss, gradient = objective.gradient(kept.float(), step)
        guard.check(loss, step)
        gain.copy_(MEMORY * gain - (1 - MEMORY) * gradient if step else -gradient)
        journal.log(
            guard.stage,
            step + 1,
            settings.steps,
            loss=loss,
            sparsity=sparsity,
            target_sparsity=settings.target_sparsity,
        )
        if guard.exhausted(loss):
            steps.stop()
            break
        kept.copy_(_trade(kept, gain, limit=math.ceil(LARGEST_TRADE * count * (1 - step / settings.steps))))
    return kept


def _trade(kept: Tensor, gain: Tensor, limit: int) -> Tensor:
    """Exchange up to ``limit`` kept entries of least gain for dropped ones of more: boolean ``[m]``."""
    leaving = gain.masked_fill(~kept, torch.inf).argsort(stable=True)[:limit]
    coming = gain.masked_fill(kept, -torch.inf).argsort(descending=True, stable=True)[:limit]
    # Where there are fewer on one side than the limit, the sentinels fill up; no trade crosses them.
    better = (gain[coming] > gain[leaving]) & kept[leaving] & ~kept[coming]
    traded = kept.clone()
    traded[leaving[better]] = False
    traded[coming[better]] = True
    return traded
