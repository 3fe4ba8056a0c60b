"""Measures of two entries: example by example where the examples are the same, as two samples otherwise.

A paired p is Student's, and no smaller than that of a test by signs: where few examples changed at all, their number
says more than their spread.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from scipy.stats import t

from mechint.comparison.entries import Loaded
from mechint.comparison.methodology import same_examples
from mechint.comparison.values import Difference, Entry
from mechint.faithfulness.compare import drop, p_value
from mechint.faithfulness.estimate import Estimate
from mechint.faithfulness.interval import interval
from mechint.faithfulness.measures import FULL

__all__ = ["measure_differences"]

CONFIDENCE = 0.95
MEASURES = ("faithfulness", "completeness", "margin_over_random", "cpr")


def measure_differences(entry: Entry, base: Entry, ours: Loaded, theirs: Loaded) -> Iterator[Difference]:
    """The protocol's measures, and the metric of the circuit and of the full model."""
    metric = entry.methodology.metric
    paired = same_examples(ours, theirs)
    # Of the loss of the circuit, that of the model and their difference, two say everything.
    others = () if metric == "loss" else ("loss_increase",)
    for name in dict.fromkeys((*MEASURES, *others, metric, f"{FULL}{metric}")):
        if name in entry.measures and name in base.measures:
            pair = ours.estimate(name), theirs.estimate(name)
            yield _paired(entry, base, name, *pair) if paired and _as_many(*pair) else _apart(entry, base, name, *pair)


def _as_many(ours: Estimate | None, theirs: Estimate | None) -> bool:
    return ours is None or theirs is None or ours.count == theirs.count


def _paired(entry: Entry, base: Entry, name: str, ours: Estimate | None, theirs: Estimate | None) -> Difference:
    change, back = (drop(one, other, higher_is_better=False) for one, other in ((theirs, ours), (ours, theirs)))
    if change is None or back is None:
        return _difference(entry, base, name, ours, theirs)
    ends = interval(change, confidence=CONFIDENCE)
    return _difference(entry, base, name, ours, theirs).model_copy(
        update={
            "low": None if ends is None else ends.low,
            "high": None if ends is None else ends.high,
            "test": f"paired t over {change.count} examples",
            "p": min(2 * min(p_value(change), p_value(back)), 1.0),
        }
    )


def _apart(entry: Entry, base: Entry, name: str, ours: Estimate | None, theirs: Estimate | None) -> Difference:
    """Welch's test and interval; without them where a sample has no spread, which says nothing of other examples."""
    found = _difference(entry, base, name, ours, theirs)
    if ours is None or theirs is None or ours.error == 0 or theirs.error == 0:
        return found
    error = math.hypot(ours.error, theirs.error)
    degrees = error**4 / sum(one.error**4 / one.degrees for one in (ours, theirs))
    delta, half = ours.value - theirs.value, float(t.ppf((1 + CONFIDENCE) / 2, degrees)) * error
    return found.model_copy(
        update={
            "low": delta - half,
            "high": delta + half,
            "test": f"unpaired t (Welch) over {ours.count} and {theirs.count} different examples",
            "p": float(2 * t.sf(abs(delta) / error, degrees)),
        }
    )


def _difference(entry: Entry, base: Entry, name: str, ours: Estimate | None, theirs: Estimate | None) -> Difference:
    """The values alone, untested."""
    value, base_value = (None if one is None else one.value for one in (ours, theirs))
    return Difference(
        entry=entry.name,
        base=base.name,
        quantity=name,
        value=value,
        base_value=base_value,
        delta=None if value is None or base_value is None else value - base_value,
        test="",
        p=None,
    )
