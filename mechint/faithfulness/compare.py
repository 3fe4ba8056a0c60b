"""Verdicts on a measure against its baseline, example by example.

A drop fails only if it exceeds what the spec tolerates and cannot be chance; it passes only if this sample would have
shown a drop of that size. Everything between is undecided, with what it would take to decide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtr

from mechint.faithfulness.combine import combine
from mechint.faithfulness.estimate import Estimate, RunSpread
from mechint.faithfulness.power import detectable, needed_examples
from mechint.results.describe import number
from mechint.results.outcome import Outcome

__all__ = ["Judgement", "drop", "explain", "holm", "judge", "p_value"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What became of one drop, and why."""

    outcome: Outcome
    max_drop: float
    drop: float | None
    """None where the measure is undefined in the baseline or in the run; so are the others."""
    p: float | None
    """Chance of such a drop if there were none, corrected for the number of drops judged together."""
    smallest: float | None
    """The smallest drop that this sample could have detected."""
    needed: int | None
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

    Failed: the drop exceeds its ``max_drop``, and its p-value by Holm is below ``1 - confidence``. Passed: not failed,
    and a drop of ``max_drop`` would have been detected with a chance of ``power``, whatever the other drops are. Else
    undecided.
    """
    tested = [found for found in drops if found is not None]
    adjusted = iter(holm([p_value(found) for found in tested]))
    level = (1 - confidence) / max(len(tested), 1)
    judgements = []
    for found, most in zip(drops, max_drops, strict=True):
        if found is None:
            judgements.append(_undefined(most))
            continue
        p, smallest = next(adjusted), detectable(found, level=level, power=power)
        if found.value > most and p < 1 - confidence:
            outcome = Outcome.FAILED
        else:
            outcome = Outcome.PASSED if smallest <= most else Outcome.UNDECIDED
        needed = needed_examples(found, most, level=level, power=power) if outcome is Outcome.UNDECIDED else None
        judgements.append(
            Judgement(outcome=outcome, max_drop=most, drop=found.value, p=p, smallest=smallest, needed=needed)
        )
    return judgements


def p_value(drop: Estimate) -> float:
    """The chance of at least such a drop if there were none: of a t-test, and no less than that of a test by signs.

    The second matters where few examples changed at all: ``m`` of them all change for the worse with a chance of 2^-m.
    """
    changed = int(np.count_nonzero(drop.units()[0]))
    if drop.flat and not drop.run_variance:
        return 0.5**changed if drop.value > 0 else 1.0
    return max(float(stdtr(drop.degrees, -drop.value / drop.error)), 0.5**changed)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number by Holm's method (1979), in the order given."""
    adjusted, worst = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, min((len(p_values) - rank) * p_values[index], 1.0))
        adjusted[index] = worst
    return adjusted


def explain(judgement: Judgement) -> str:
    """The outcome in words: ``this sample could only detect a drop of 0.061 > 0.02; needs about 2,400 examples``."""
    found, most = judgement.drop, judgement.max_drop
    if found is None or judgement.p is None or judgement.smallest is None:
        return "the measure has no meaning in the baseline or in this run"
    limit, detects = number(most), number(judgement.smallest, [most], 2)
    size = f"drop of {number(found, [most], 2)}"
    if judgement.outcome is Outcome.FAILED:
        return f"{size} > {limit}, p = {number(judgement.p, digits=2)}"
    if judgement.outcome is Outcome.PASSED:
        sign = "<=" if found <= most else ">"
        return f"{size} {sign} {limit}; this sample could detect a drop of {detects}"
    need = "more runs: no number of examples is enough" if judgement.needed is None else _about(judgement.needed)
    return f"{size}; this sample could only detect a drop of {detects} > {limit}; needs {need}"


def _for_both(spread: RunSpread) -> RunSpread:
    """The spread of one side, for the single run of the other side too."""
    return replace(spread, share=spread.share + 1)


def _undefined(max_drop: float) -> Judgement:
    return Judgement(outcome=Outcome.UNDECIDED, max_drop=max_drop, drop=None, p=None, smallest=None, needed=None)


def _about(examples: int) -> str:
    """The number rounded up to two digits."""
    unit = 10 ** max(math.floor(math.log10(examples)) - 1, 0)
    return f"about {math.ceil(examples / unit) * unit:,} examples"
