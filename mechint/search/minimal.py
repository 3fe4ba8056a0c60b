"""The smallest circuit that is faithful enough on the search examples.

1. Bisect on the ranking for the fewest top entries whose faithfulness has its lower bound at the target or above.
2. Remove entries of that set one by one, from the lowest score up, wherever the bound still holds.

The second step finds what a ranking cannot: of two entries that each suffice, effects of single ablations show neither.
Cost: a forward pass over the search examples for each step of the bisection, and one for each entry of the set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mechint.circuit.circuit import keep_top
from mechint.errors import DataError
from mechint.faithfulness.estimate import flaw, ratio_of_means
from mechint.faithfulness.interval import interval
from mechint.journal import Journal
from mechint.search.objective import Objective

__all__ = ["HeldIn", "Minimal", "find_minimal"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Minimal:
    """The smallest circuit that was found."""

    kept: Tensor
    """Boolean ``[m]``."""
    faithfulness: float
    low: float
    """Lower bound of the faithfulness on the search examples."""
    by_ranking: int
    """Entries that the ranking alone needs."""
    passes: int
    """Circuits that were tried."""


class HeldIn:
    """Faithfulness of any circuit on the search examples, with its lower bound."""

    def __init__(self, objective: Objective, confidence: float) -> None:
        self.objective = objective
        self.confidence = confidence
        self.passes = 0
        search = objective.task.search
        self._weights = None if search.weight is None else search.weight.cpu().numpy()
        self._clusters = None if search.pairs is None else search.pairs.template.tolist()
        nothing = torch.zeros(objective.size, dtype=torch.bool)
        self._empty, self._full = objective.scores(nothing), objective.scores(~nothing)
        span = (self._full - self._empty).numpy()
        if why := flaw(span, span, weights=self._weights, clusters=self._clusters):
            raise DataError(f"no smallest circuit can be found: on the search examples {why}")

    def of(self, kept: Tensor) -> tuple[float, float]:
        """Faithfulness of a boolean mask ``[m]`` and its lower bound."""
        self.passes += 1
        found = ratio_of_means(
            (self.objective.scores(kept) - self._empty).numpy(),
            (self._full - self._empty).numpy(),
            weights=self._weights,
            clusters=self._clusters,
        )
        assert found is not None, "the full and the fully ablated model differ"
        ends = interval(found, confidence=self.confidence)
        return found.value, found.value if ends is None else ends.low

    def state_dict(self) -> dict[str, Any]:
        """What changes as circuits are tried."""
        return {"passes": self.passes}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what another had tried."""
        self.passes = state_dict["passes"]


def find_minimal(objective: Objective, ranking: Tensor, target: float, confidence: float, journal: Journal) -> Minimal:
    """Search from a ranking ``[m]`` for the smallest circuit whose lower bound meets the target."""
    held_in = HeldIn(objective, confidence)
    count = _bisect(held_in, ranking, target, journal)
    kept = _thin_out(held_in, ranking, keep_top(ranking, count), target, journal)
    faithfulness, low = held_in.of(kept)
    return Minimal(kept=kept, faithfulness=faithfulness, low=low, by_ranking=count, passes=held_in.passes)


def _bisect(held_in: HeldIn, ranking: Tensor, target: float, journal: Journal) -> int:
    """The fewest top entries that meet the target; all of them do, since they are the model itself."""
    ends = torch.tensor([0, len(ranking)])
    steps = len(ranking).bit_length()
    for step in journal.steps("bisection", steps, {"ends": ends, "tried": held_in}):
        fewest, most = ends.tolist()
        if fewest < most:
            middle = (fewest + most) // 2
            _, low = held_in.of(keep_top(ranking, middle))
            ends.copy_(torch.tensor([fewest, middle] if low >= target else [middle + 1, most]))
        journal.progress("bisection", step + 1, steps)
    return int(ends[1])


def _thin_out(held_in: HeldIn, ranking: Tensor, kept: Tensor, target: float, journal: Journal) -> Tensor:
    """The circuit without every entry that it can spare, asked from the lowest score up."""
    kept = kept.clone()
    entries = [int(entry) for entry in ranking.argsort() if kept[entry]]
    for number in journal.steps("removal", len(entries), {"kept": kept, "tried": held_in}):
        entry = entries[number]
        kept[entry] = False
        _, low = held_in.of(kept)
        kept[entry] = low < target
        journal.progress("removal", number + 1, len(entries))
    return kept
