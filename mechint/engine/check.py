"""Judging assertions against what was measured."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mechint.results.describe import number
from mechint.results.values import Outcome, Verdict
from mechint.spec.assertion import describe
from mechint.spec.values import Assertion

if TYPE_CHECKING:
    from mechint.faithfulness.estimate import Estimate

__all__ = ["Found", "check", "drop_verdict", "failure", "make_verdict"]

_BOUNDS: Mapping[str, tuple[str, Callable[[float, float], bool]]] = {
    "at_least": (">=", operator.ge),
    "above": (">", operator.gt),
    "at_most": ("<=", operator.le),
    "below": ("<", operator.lt),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """What was measured for an assertion."""

    value: float | None
    estimate: Estimate | None = None
    """Where the measure is taken example by example."""
    why: str = ""
    """Why there is no value."""
    label: str = ""
    """What was found, where that is no number."""
    over: tuple[str, ...] = ()
    """The items that were put together for it; empty where it is one item's own."""


def check(assertion: Assertion, line: int | None, found: Found) -> Verdict:
    """Hold what was measured, or its interval, against an assertion's bounds; without a meaning it is undecided."""
    if found.value is None or not math.isfinite(found.value):
        why = found.why or f"it is {found.value} on the held-out examples"
        return make_verdict(assertion, line, found, Outcome.UNDECIDED, f"{assertion.name} has no meaning here: {why}")
    if assertion.confidence is not None:
        return _check_interval(assertion, line, found, assertion.confidence)
    broken = _broken(assertion, found.value)
    outcome = failure(assertion) if broken else Outcome.PASSED
    return make_verdict(assertion, line, found, outcome, "; ".join(broken))


def drop_verdict(assertion: Assertion, line: int | None, found: Found, outcome: Outcome, reason: str) -> Verdict:
    """The verdict on a drop below a baseline that has been judged together with the others."""
    if outcome is Outcome.FAILED:
        outcome = failure(assertion)
    return make_verdict(assertion, line, found, outcome, reason)


def _check_interval(assertion: Assertion, line: int | None, found: Found, confidence: float) -> Verdict:
    from mechint.faithfulness.interval import interval

    ends = interval(found.estimate, confidence=confidence)
    if ends is None:
        reason = f"{assertion.name} has no interval here: the examples are too much alike to tell what others give"
        return make_verdict(assertion, line, found, Outcome.UNDECIDED, reason)
    low, high = ends.low, ends.high
    stated = [bound for name in _BOUNDS if (bound := getattr(assertion, name)) is not None]
    said = f"the {100 * confidence:g} % interval is [{number(low, stated)}, {number(high, stated)}]"
    if not _broken(assertion, low) and not _broken(assertion, high):
        outcome, reason = Outcome.PASSED, ""
    elif _breaks(assertion, ("at_least", "above"), high) or _breaks(assertion, ("at_most", "below"), low):
        outcome, reason = failure(assertion), f"{said}, all of it outside"
    else:
        outcome, reason = Outcome.UNDECIDED, f"{said} and covers the bound"
    return make_verdict(assertion, line, found, outcome, reason, interval=(low, high))


def _broken(assertion: Assertion, value: float) -> list[str]:
    """The bounds that a value does not keep, in words."""
    return [
        f"{number(value, [bound])} is not {sign} {bound!r}"
        for name, (sign, holds) in _BOUNDS.items()
        if (bound := getattr(assertion, name)) is not None and not holds(value, bound)
    ]


def _breaks(assertion: Assertion, names: tuple[str, ...], value: float) -> bool:
    """Whether a value does not keep one of these bounds."""
    return any((bound := getattr(assertion, name)) is not None and not _BOUNDS[name][1](value, bound) for name in names)


def failure(assertion: Assertion) -> Outcome:
    """What an assertion that does not hold comes to."""
    return Outcome.WARNED if assertion.severity == "warn" else Outcome.FAILED


def make_verdict(
    assertion: Assertion,
    line: int | None,
    found: Found,
    outcome: Outcome,
    reason: str,
    *,
    interval: tuple[float, float] | None = None,
) -> Verdict:
    """The verdict on an assertion, with what was found for it; one that only warns leaves no question open."""
    there = found.value is not None and math.isfinite(found.value)
    if outcome is Outcome.UNDECIDED and assertion.severity == "warn":
        outcome = Outcome.WARNED
    return Verdict(
        text=describe(assertion),
        line=line,
        metric=assertion.name,
        actual=found.value if there else None,
        found=found.label,
        interval=interval,
        baseline=assertion.baseline or "",
        over=found.over,
        outcome=outcome,
        reason=reason,
    )
