"""The measures an assertion can name, and how each follows from the metric's means.

Faithfulness is ``(m(C) - m(0)) / (m(N) - m(0))``: N the full model, 0 everything ablated, a ratio of means, never
clamped. A measure that has no meaning is None: the verdict on it is undecided.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["MEASURES", "Evidence", "derive"]

MEASURES: Mapping[str, str] = {
    "faithfulness": "share of the metric between empty (0) and full (1) model that the circuit alone keeps",
    "completeness": "the same for everything outside the circuit; lower means nothing was left out",
    "faithfulness_random": "mean faithfulness of random circuits with as many units at each site",
    "margin_over_random": "faithfulness minus that of the random circuits",
    "p_random": "(1 + random circuits at least as faithful) / (1 + random circuits)",
    "sparsity": "share of the units that the circuit drops",
    "units_kept": "number of units the circuit keeps",
    "loss_increase": "loss of the circuit minus loss of the full model, in nats/token",
}
"""What the protocol gives beside the circuit's own value of every metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The task's metric, one value per held-out example for each model, from which measures follow."""

    full: Sequence[float]
    circuit: Sequence[float]
    empty: Sequence[float]
    complement: Sequence[float] | None
    """None where the spec switched this control off."""
    random: Sequence[Sequence[float]]
    """One sequence for each random circuit."""
    weights: Sequence[float] | None = None
    """What each example counts in a mean; None where all count alike."""

    def mean(self, values: Sequence[float]) -> float:
        """Mean over the examples, by their weights."""
        if self.weights is None:
            return _mean(values)
        return math.fsum(map(operator.mul, self.weights, values)) / math.fsum(self.weights)

    @property
    def separable(self) -> bool:
        """Whether full and empty model differ by more than the 95 % interval (Student's) of their paired difference."""
        differences = [a - b for a, b in zip(self.full, self.empty, strict=True)]
        count = len(differences)
        if count < 2 or not all(map(math.isfinite, differences)):
            return False
        from scipy.stats import t

        mean, weights = self.mean(differences), self.weights or [1.0] * count
        spread = math.fsum((weight * (value - mean)) ** 2 for weight, value in zip(weights, differences, strict=True))
        error = math.sqrt(spread * count / (count - 1)) / math.fsum(weights)
        return abs(mean) > float(t.ppf(0.975, count - 1)) * error


def derive(evidence: Evidence) -> dict[str, float | None]:
    """Compute every measure that rests on the metric alone."""
    if not evidence.separable:
        return dict.fromkeys(
            ("faithfulness", "completeness", "faithfulness_random", "margin_over_random", "p_random"), None
        )
    low, high = evidence.mean(evidence.empty), evidence.mean(evidence.full)

    def faithfulness(values: Sequence[float]) -> float:
        return (evidence.mean(values) - low) / (high - low)

    found = faithfulness(evidence.circuit)
    random = [faithfulness(values) for values in evidence.random]
    return {
        "faithfulness": found,
        "completeness": None if evidence.complement is None else faithfulness(evidence.complement),
        "faithfulness_random": _mean(random),
        "margin_over_random": found - _mean(random),
        "p_random": (1 + sum(value >= found for value in random)) / (1 + len(random)),
    }


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
