"""Running one estimator, or all of them, and choosing by the search examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from mechint.journal import Journal
from mechint.search.learned import learn_hard_concrete, learn_straight_through
from mechint.search.objective import Objective
from mechint.search.ranked import integrated_gradients, iterated_ig
from mechint.search.settings import Guard, SearchSettings
from mechint.search.swap import swap

__all__ = ["Candidate", "Estimator", "find_mask", "score_at"]

Estimator = Literal["best", "straight_through", "hard_concrete", "iterated_ig", "swap", "integrated_gradients"]

RANKING_SHARE = 0.25
"""Share of the steps that ``swap`` spends on the ranking it starts from."""
RISE = 1.5
"""Times the fully ablated model's loss at which a search counts as diverging."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """A mask that one estimator found."""

    estimator: str
    kept: Tensor
    """Boolean ``[m]``."""
    search_loss: float
    """Mean over all search examples."""


def find_mask(
    objective: Objective, estimator: Estimator, settings: SearchSettings, journal: Journal
) -> Sequence[Candidate]:
    """Search for the mask of least loss at the target sparsity; candidates, best on the search examples first.

    ``best`` shares the steps out: the ranking, the trades that start from it, and both learned masks get a part each.
    """
    ceiling = RISE * objective.loss(torch.zeros(objective.size, dtype=torch.bool))

    def run(name: str, steps: int, estimate: _Estimate) -> Candidate:
        guard = Guard(stage=name, ceiling=ceiling, patience=settings.patience)
        kept = estimate(objective, replace(settings, steps=max(steps, 1)), journal, guard)
        return Candidate(estimator=name, kept=kept, search_loss=objective.loss(kept))

    candidates: list[Candidate] = []
    if estimator in ("swap", "best"):
        part = settings.steps if estimator == "swap" else settings.steps // 2
        ranked = run("iterated_ig", round(RANKING_SHARE * part), iterated_ig)
        rest = part - round(RANKING_SHARE * part)
        candidates = [ranked, run("swap", rest, lambda o, s, j, g: swap(o, s, j, g, start=ranked.kept))]
    if estimator == "best":
        for name in ("straight_through", "hard_concrete"):
            candidates.append(run(name, settings.steps // 4, _SINGLE[name]))
    if estimator in _SINGLE:
        candidates = [run(estimator, settings.steps, _SINGLE[estimator])]
    return sorted(candidates, key=lambda candidate: candidate.search_loss)


def score_at(objective: Objective, kept: Tensor, *, batches: int, first_step: int) -> Tensor:
    """Each unit's first-order effect ``[n]`` at a found mask ``[m]``: ``-dloss/dmask``, mean over some batches.

    For a kept unit about what dropping it would cost, for a dropped one what adding it would gain. Units that share a
    mask entry share its effect evenly.
    """
    gain = torch.zeros(objective.size)
    for offset in range(batches):
        gain -= objective.gradient(kept.float(), first_step + offset)[1] / batches
    sharing = torch.bincount(objective.groups, minlength=objective.size)
    return (gain / sharing)[objective.groups]


_Estimate = Callable[[Objective, SearchSettings, Journal, Guard], Tensor]

_SINGLE: Mapping[str, _Estimate] = {
    "straight_through": learn_straight_through,
    "hard_concrete": learn_hard_concrete,
    "iterated_ig": iterated_ig,
    "integrated_gradients": integrated_gradients,
}
