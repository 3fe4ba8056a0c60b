"""The measures an assertion can name, and how each follows from the metric's means.

Faithfulness is ``(m(C) - m(0)) / (m(N) - m(0))``: N the full model, 0 everything ablated, a ratio of means, never
clamped. A measure that has no meaning is None: the verdict on it is undecided.
"""

from __future__ import annotations

import math
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


def derive(evidence: Evidence) -> dict[str, float | None]:
    """Compute every measure that rests on the metric alone."""
    if not _separable(evidence.full, evidence.empty):
        return dict.fromkeys(
            ("faithfulness", "completeness", "faithfulness_random", "margin_over_random", "p_random"), None
        )
    low, high = _mean(evidence.empty), _mean(evidence.full)

    def faithfulness(values: Sequence[float]) -> float:
        return (_mean(values) - low) / (high - low)

    found = faithfulness(evidence.circuit)
    random = [faithfulness(values) for values in evidence.random]
    return {
        "faithfulness": found,
        "completeness": None if evidence.complement is None else faithfulness(evidence.complement),
        "faithfulness_random": _mean(random),
        "margin_over_random": found - _mean(random),
        "p_random": (1 + sum(value >= found for value in random)) / (1 + len(random)),
    }


def _separable(full: Sequence[float], empty: Sequence[float]) -> bool:
    """Whether full and empty model differ by more than the 95 % interval (Student's) of their paired difference."""
    differences = [a - b for a, b in zip(full, empty, strict=True)]
    if len(differences) < 2 or not all(map(math.isfinite, differences)):
        return False
    from scipy.stats import t

    mean, count = _mean(differences), len(differences)
    variance = math.fsum((value - mean) ** 2 for value in differences) / (count - 1)
    return abs(mean) > float(t.ppf(0.975, count - 1)) * math.sqrt(variance / count)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
