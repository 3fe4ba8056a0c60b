"""What a sample can detect and rule out, and how large it would have to be for more."""

from __future__ import annotations

import math

from scipy.special import nctdtrinc, stdtrit

from mechint.faithfulness.estimate import Estimate

__all__ = ["detectable", "highest", "needed_examples", "smallest_difference"]


def smallest_difference(estimate: Estimate | None, *, power: float = 0.8, confidence: float = 0.95) -> float | None:
    """How far off a fixed value must lie for the interval to exclude it with a chance of ``power``.

    None where the estimate is undefined, or where its examples are too much alike to tell.
    """
    if estimate is None or estimate.uninformative:
        return None
    return detectable(estimate, level=(1 - confidence) / 2, power=power)


def detectable(estimate: Estimate, *, level: float, power: float) -> float:
    """The smallest difference that a one-sided t-test at ``level`` finds with a chance of ``power``.

    For a metric of 0 and 1 it is no less than the share of flipped examples that leaves one in the sample as often.
    """
    by_error = _times_error(level, estimate.degrees, power) * estimate.error
    return max(by_error, estimate.step * -math.expm1(math.log1p(-power) / estimate.count))


def highest(estimate: Estimate, *, level: float) -> float:
    """What the value does not exceed but with a chance of ``level``: the upper end of a one-sided interval.

    For a metric of 0 and 1 no less is added than the share of flipped examples that shows in such a sample but for that
    chance.
    """
    by_error = stdtrit(estimate.degrees, 1 - level) * estimate.error
    by_step = estimate.step * -math.expm1(math.log(level) / estimate.count)
    return estimate.value + max(float(by_error), by_step)


def needed_examples(estimate: Estimate, difference: float, *, level: float, power: float) -> int | None:
    """About how many such examples would rule out ``difference`` with a chance of ``power`` where there is none.

    None where that takes more runs. Rests on the degrees of freedom at hand, so it is a little too many for a small
    sample.
    """
    variance = (difference / _times_error(level, estimate.degrees, power)) ** 2 - estimate.run_variance
    if difference <= 0 or variance <= 0:
        return None
    by_error = estimate.count * estimate.sampling_variance / variance
    missing = min(difference / estimate.step, 1.0) if estimate.step > 0 else 1.0
    by_step = math.log(level) / math.log1p(-missing) if missing < 1 else 1.0
    return math.ceil(max(by_error, by_step))


def _times_error(level: float, degrees: float, power: float) -> float:
    """How many standard errors such a test detects: the noncentrality at which its power is ``power``."""
    return float(nctdtrinc(degrees, 1 - power, stdtrit(degrees, 1 - level)))
