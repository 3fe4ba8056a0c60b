"""Verdicts on a measure against its baseline, example by example.

A drop fails only if it exceeds what the spec tolerates and cannot be chance; it passes only if the sample rules out a
drop of more than that. Everything between is undecided, with what it would take to decide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtr

from mechint.faithfulness.combine import combine
from mechint.faithfulness.estimate import Estimate, RunSpread
from mechint.faithfulness.power import highest, needed_examples
from mechint.results.describe import number
from mechint.results.outcome import Outcome

__all__ = ["Judgement", "drop", "explain", "holm", "judge", "p_value"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What became of one drop, and why."""

    outcome: Outcome
    max_drop: float
    drop: float | None = None
    """None where the measure is undefined in the baseline or in the run; then so are the others."""
    p: float | None = None
    """Chance of such a drop if there were none, corrected for the number of drops judged together."""
    highest: float | None = None
    """What the drop does not exceed, with the confidence of the judgement over all drops."""
    needed: int | None = None
    """About how many examples would do, where the outcome is undecided; None where it takes more runs."""


def drop(baseline: Estimate | None, now: Estimate | None, *, higher_is_better: bool) -> Estimate | None:
    """How much worse a measure is than its baseline on the same examples, in the same order; negative is better.

    Either side may be a mean over runs. Where only one is, the runs of the other are taken to differ as much.
    """
    if baseline is None or now is None:
        return None
    sign = 1.0 if higher_is_better else -1.0
    found = combine([baseline, now], [sign, -sign])
    if found is None or bool(baseline.runs) == bool(now.runs):
        return found
    return replace(found, runs=tuple(_for_both(spread) for spread in found.runs))


def judge(
    drops: Sequence[Estimate | None], max_drops: Sequence[float], *, confidence: float = 0.95, power: float = 0.8
) -> list[Judgement]:
    """Judge all drops of a run together, so that the chance of any false alarm is at most ``1 - confidence``.

    Failed: the drop exceeds its ``max_drop``, and its p-value by Holm is below ``1 - confidence``. Passed: what the
    drop can be at most does not exceed it either, so that a drop of more passes as rarely as no drop fails. Else
    undecided, with the number of examples at which no drop at all would pass with a chance of ``power``.
    """
    tested = [found for found in drops if found is not None]
    adjusted = iter(holm([p_value(found) for found in tested]))
    level = (1 - confidence) / max(len(tested), 1)
    return [
        Judgement(outcome=Outcome.UNDECIDED, max_drop=most)
        if found is None
        else _judge_one(found, most, next(adjusted), 1 - confidence, level, power)
        for found, most in zip(drops, max_drops, strict=True)
    ]


def p_value(drop: Estimate) -> float:
    """The chance of at least such a drop if there were none: of a t-test, and no less than that of a test by signs.

    The second matters where few examples changed at all: ``m`` of them all change for the worse with a chance of 2^-m.
    """
    by_signs = 0.5 ** _changed(drop)
    if drop.flat and not drop.run_variance:
        return by_signs if drop.value > 0 else 1.0
    return max(float(stdtr(drop.degrees, -drop.value / drop.error)), by_signs)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number by Holm's method (1979), in the order given."""
    adjusted, worst = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, min((len(p_values) - rank) * p_values[index], 1.0))
        adjusted[index] = worst
    return adjusted


def explain(judgement: Judgement) -> str:
    """Why, in words: ``drop of 0.01 that may be as large as 0.06 > 0.02; needs about 2,400 examples``."""
    found, top, most = judgement.drop, judgement.highest, judgement.max_drop
    if found is None or top is None or judgement.p is None:
        return "the measure has no meaning in the baseline or in this run"
    limit, at_most = repr(most), number(top, [most], 2)
    size, p = f"drop of {number(found, [most], 2)}", f"p = {number(judgement.p, digits=2)}"
    if judgement.outcome is Outcome.FAILED:
        return f"{size} > {limit}, {p}"
    if judgement.outcome is Outcome.PASSED:
        return f"{size}, and surely no more than {at_most} <= {limit}"
    doubt = f" > {limit} may be chance, {p}" if found > most else f" that may be as large as {at_most} > {limit}"
    need = "more runs, as no number of examples would do" if judgement.needed is None else _about(judgement.needed)
    return f"{size}{doubt}; needs {need}"


def _for_both(spread: RunSpread) -> RunSpread:
    """The spread of one side, for the single run of the other side too."""
    return replace(spread, share=spread.share + 1)


def _judge_one(found: Estimate, most: float, p: float, chance: float, level: float, power: float) -> Judgement:
    """The verdict on a drop with an adjusted p-value; ``level`` is the strictest it may meet."""
    top, needed = highest(found, level=level), None
    if found.value > most and p < chance:
        outcome = Outcome.FAILED
    elif top <= most:
        outcome = Outcome.PASSED
    else:
        outcome, needed = Outcome.UNDECIDED, _needed(found, most, level, power)
    return Judgement(outcome=outcome, max_drop=most, drop=found.value, p=p, highest=top, needed=needed)


def _changed(drop: Estimate) -> int:
    """Number of units whose values are not what they were."""
    return int(np.count_nonzero(drop.units()[0]))


def _needed(drop: Estimate, most: float, level: float, power: float) -> int | None:
    """About how many examples would decide; None where it takes more runs."""
    needed = needed_examples(drop, most, level=level, power=power)
    if needed is None or drop.value <= most:
        return needed
    return max(needed, math.ceil(drop.count * math.log2(1 / level) / _changed(drop)))


def _about(examples: int) -> str:
    """The number rounded up to two digits."""
    unit = 10 ** max(math.floor(math.log10(examples)) - 1, 0)
    return f"about {math.ceil(examples / unit) * unit:,} examples"
