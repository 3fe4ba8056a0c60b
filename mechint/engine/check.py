"""Judging assertions against what was measured."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping

from mechint.results.describe import number
from mechint.results.values import Outcome, Verdict
from mechint.spec.assertion import describe
from mechint.spec.values import Assertion

__all__ = ["check"]

_BOUNDS: Mapping[str, tuple[str, Callable[[float, float], bool]]] = {
    "at_least": (">=", operator.ge),
    "above": (">", operator.gt),
    "at_most": ("<=", operator.le),
    "below": ("<", operator.lt),
}


def check(assertion: Assertion, line: int | None, measures: Mapping[str, float | None]) -> Verdict:
    """Compare one measure with its bounds, exactly as measured; without a meaning it is undecided, never passed."""
    actual = measures.get(assertion.metric)
    if actual is None:
        outcome, reason = Outcome.UNDECIDED, _MEANINGLESS.format(assertion.metric)
    elif not math.isfinite(actual):
        outcome, reason = Outcome.UNDECIDED, f"{assertion.metric} is {actual} on the held-out examples"
    else:
        broken = [
            f"{number(actual, [bound])} is not {sign} {bound!r}"
            for field, (sign, holds) in _BOUNDS.items()
            if (bound := getattr(assertion, field)) is not None and not holds(actual, bound)
        ]
        lenient = Outcome.WARNED if assertion.severity == "warn" else Outcome.FAILED
        outcome, reason = (lenient, "; ".join(broken)) if broken else (Outcome.PASSED, "")
    return Verdict(
        text=describe(assertion),
        line=line,
        metric=assertion.metric,
        actual=actual if actual is not None and math.isfinite(actual) else None,
        outcome=outcome,
        reason=reason,
    )


_MEANINGLESS = (
    "{} has no meaning here: on the held-out examples the full and the fully ablated model do not differ beyond the "
    "95 % interval of their difference"
)
