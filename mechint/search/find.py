"""Running one estimator, or all of them, and choosing by the search examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mechint.errors import DivergedError
from mechint.journal import Journal
from mechint.search.learned import learn_hard_concrete, learn_straight_through
from mechint.search.objective import Objective
from mechint.search.ranked import integrated_gradients, iterated_ig
from mechint.search.settings import Estimator, Guard, SearchSettings
from mechint.search.swap import swap

__all__ = ["Candidate", "describe_candidates", "find_mask", "score_to"]

RANKING_SHARE = 0.25
"""Share of the steps that ``swap`` spends on the ranking it starts from."""
CEILING_EXAMPLES = 64
"""Search examples that the bound on a sensible loss is measured on; it needs no precision."""
RISE = 1.0
"""How far above the worse of full and fully ablated model a loss must stay to count as diverging, in differences
between the two."""


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

    ``best`` shares the steps out: the ranking, the trades that start from it, and both learned masks get a part each;
    a learned mask that diverges is left out. Raises DivergedError where any other search diverges.
    """
    ceiling = _ceiling(objective)

    def run(name: str, steps: int, estimate: _Estimate) -> Candidate:
        guard = Guard(stage=name, ceiling=ceiling, patience=settings.patience)
        kept = estimate(objective, replace(settings, steps=max(steps, 1)), journal, guard)
        return Candidate(estimator=name, kept=kept, search_loss=objective.loss(kept))

    candidates: list[Candidate] = []
    if estimator in ("swap", "best"):
        part = settings.steps if estimator == "swap" else settings.steps // 2
        ranking = round(RANKING_SHARE * part)
        ranked = run("iterated_ig", ranking, iterated_ig)
        candidates = [ranked, run("swap", part - ranking, lambda o, s, j, g: swap(o, s, j, g, start=ranked.kept))]
    if estimator == "best":
        for name in ("straight_through", "hard_concrete"):
            try:
                candidates.append(run(name, settings.steps // 4, _SINGLE[name]))
            except DivergedError as error:
                journal.note(f"left out: {error}")
    if estimator in _SINGLE:
        candidates = [run(estimator, settings.steps, _SINGLE[estimator])]
    return sorted(candidates, key=lambda candidate: candidate.search_loss)


def _ceiling(objective: Objective) -> float:
    """A loss that no sensible mask has, whatever the metric's sign and size."""
    full, empty = (objective.loss(torch.full((objective.size,), kept), most=CEILING_EXAMPLES) for kept in (True, False))
    return max(full, empty) + RISE * abs(full - empty) + 0.1 * max(abs(full), abs(empty))


def score_to(objective: Objective, kept: Tensor, *, points: int, first_step: int) -> Tensor:
    """Each unit's effect ``[n]`` on the way to a found mask ``[m]``: the mean of ``-dloss/dmask`` at midpoints.

    The way is from keeping nothing to keeping the circuit, so the kept units' scores add up to about what the circuit
    gains over nothing; a dropped unit's is what adding it would gain on average. One step's batch at each point. Units
    that share a mask entry share its effect evenly.
    """
    gain = torch.zeros(objective.size)
    for number in range(points):
        mask = (number + 0.5) / points * kept.float()
        gain -= objective.gradient(mask, first_step + number)[1] / points
    sharing = torch.bincount(objective.groups, minlength=objective.size)
    return (gain / sharing)[objective.groups]


_Estimate = Callable[[Objective, SearchSettings, Journal, Guard], Tensor]

_SINGLE: Mapping[str, _Estimate] = {
    "straight_through": learn_straight_through,
    "hard_concrete": learn_hard_concrete,
    "iterated_ig": iterated_ig,
    "integrated_gradients": integrated_gradients,
}


def describe_candidates(candidates: Sequence[Candidate]) -> str:
    """A sentence that names the winner and, where there were others, what they reached."""
    winner, *others = candidates
    beaten = ", ".join(f"{other.estimator} {other.search_loss:.4f}" for other in others)
    return f"{winner.estimator} found the circuit: loss {winner.search_loss:.4f} on the search examples" + (
        f" ({beaten})" if beaten else ""
    )
