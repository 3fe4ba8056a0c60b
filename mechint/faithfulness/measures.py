"""The measures an assertion can name.

Faithfulness is ``(m(C) - m(0)) / (m(N) - m(0))``: N the full model, 0 everything ablated, a ratio of means, never
clamped. A measure that has no meaning is None: the verdict on it is undecided.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["AT_SIZES", "COMPARED", "FULL", "LOWER_IS_BETTER", "MEASURES", "POINTWISE"]

MEASURES: Mapping[str, str] = {
    "faithfulness": "share of the metric between empty (0) and full (1) model that the circuit alone keeps",
    "completeness": "the same for everything outside the circuit; lower means nothing was left out",
    "faithfulness_random": "mean faithfulness of random circuits with as many units at each site",
    "margin_over_random": "faithfulness minus that of the random circuits",
    "p_random": "(1 + random circuits at least as faithful) / (1 + random circuits)",
    "sparsity": "share of the units that the circuit drops",
    "units_kept": "number of units the circuit keeps",
    "loss_increase": "loss of the circuit minus loss of the full model, in nats/token",
    "minimality": "share of the circuit's units that matter: without one, faithfulness moves by .01 or more",
    "stability": "mean overlap (Jaccard) of the circuits that searches with other seeds find",
    "stability_chance": "the same for random circuits with as many units at each site",
    "cpr": "area under faithfulness against size, sizes in proportion; of the best units by score",
    "cpr_log": "the same with sizes on a log axis, divided by its length",
    "cmd": "area between faithfulness and 1 against size; of the units whose scores are furthest from 0",
    "faithfulness_at_1pct": "faithfulness of the best hundredth of the units by score",
    "faithfulness_at_2pct": "faithfulness of the best 2 %",
    "faithfulness_at_5pct": "faithfulness of the best 5 %",
    "faithfulness_at_10pct": "faithfulness of the best 10 %",
    "faithfulness_at_20pct": "faithfulness of the best 20 %",
    "faithfulness_at_50pct": "faithfulness of the best half",
    "auroc": "chance that a unit of the known circuit has a higher score than another unit",
    "f1": "harmonic mean of precision and recall of the circuit's units, against the known circuit",
}
"""What the protocol gives beside the circuit's own value of every metric."""

AT_SIZES: Mapping[str, float] = {f"faithfulness_at_{percent}pct": percent / 100 for percent in (1, 2, 5, 10, 20, 50)}
"""The measures that one size of a curve gives."""

POINTWISE = frozenset(
    {"p_random", "sparsity", "units_kept", "minimality", "stability", "stability_chance", "cmd", "auroc", "f1"}
)
"""The measures that are not taken example by example, so that they have no interval."""

FULL = "full_"
"""Before a metric's name: its value of the full model. A damaged model shows there, whatever becomes of its circuit."""

COMPARED = frozenset({"kl_div", "agreement"})
"""The metrics that compare with the full model, and so say nothing of it."""

LOWER_IS_BETTER = frozenset({"completeness", "faithfulness_random", "loss_increase"})
"""Of the others; a metric states its own direction."""
