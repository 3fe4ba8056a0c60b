"""Estimators that rank units by integrated gradients over the mask.

The gain of a unit is the integral of ``-dloss/dmask`` while a mask rises from nothing to the kept units
(Sundararajan et al. 2017, 1703.01365, with the mask as the input).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mechint.circuit.circuit import keep_top
from mechint.journal import Journal
from mechint.search.objective import Objective
from mechint.search.settings import Guard, SearchSettings

__all__ = ["integrated_gradients", "iterated_ig"]

POINTS = (0.3, 0.6, 0.9)
"""Where on the path each round of the iterated form takes its gradients: three cheap points, away from both ends."""


def integrated_gradients(objective: Objective, settings: SearchSettings, journal: Journal, guard: Guard) -> Tensor:
    """Keep the top units of one ranking, by midpoints of the path over all ``steps``: boolean ``[m]``."""
    gain = torch.zeros(objective.size)
    for step in journal.steps(guard.stage, settings.steps, {"gain": gain, "guard": guard}):
        # The golden ratio's multiples fill [0, 1] evenly for any number of steps.
        point = (0.5 + 0.6180339887 * step) % 1.0
        loss, gradient = objective.gradient(torch.full((objective.size,), point), step)
        guard.check(loss, step)
        gain -= gradient
        journal.progress(guard.stage, step + 1, settings.steps)
    return keep_top(gain, settings.keep(objective.size))


def iterated_ig(objective: Objective, settings: SearchSettings, journal: Journal, guard: Guard) -> Tensor:
    """Rank, drop some, rank what is left again: boolean ``[m]`` at the target sparsity.

    Each round takes three gradients along the path to the units kept so far and keeps the top share of them; the shares
    shrink geometrically, so that the last of ``steps // 3`` rounds reaches the target.
    """
    points = POINTS[-settings.steps :]  # all of them, but where there are fewer steps
    rounds = max(settings.steps // len(points), 1)
    keep = settings.keep(objective.size)
    kept = torch.ones(objective.size, dtype=torch.bool)
    for number in journal.steps(guard.stage, rounds, {"kept": kept, "guard": guard}):
        share = (keep / objective.size) ** ((number + 1) / rounds)
        left = keep if number == rounds - 1 else max(round(share * objective.size), keep)
        gain, loss = _gain_along_path(objective, kept, points, number * len(points), guard)
        gain[~kept] = -torch.inf
        kept.copy_(keep_top(gain, left))  # in place, since the journal keeps it
        sparsity, target = 1 - left / objective.size, settings.target_sparsity
        done = (number + 1) * len(points)
        journal.log(guard.stage, done, rounds * len(points), loss=loss, sparsity=sparsity, target_sparsity=target)
    return kept


def _gain_along_path(
    objective: Objective, kept: Tensor, points: Sequence[float], first_step: int, guard: Guard
) -> tuple[Tensor, float]:
    """Summed ``-dloss/dmask`` ``[m]`` at the points of the path to ``kept``, and the loss at the last of them."""
    gain = torch.zeros(objective.size)
    loss = 0.0
    for offset, point in enumerate(points):
        loss, gradient = objective.gradient(point * kept.float(), first_step + offset)
        guard.check(loss, first_step + offset)
        gain -= gradient
    return gain, loss
