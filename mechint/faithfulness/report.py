"""Measures as reports hold them: values, how well each is known, and the points of a curve."""

from __future__ import annotations

from collections.abc import Mapping

from mechint.faithfulness.derive import Estimates, draws_of, faithfulness_of
from mechint.faithfulness.estimate import Estimate
from mechint.faithfulness.interval import Interval, intervals
from mechint.faithfulness.model_names import ABSOLUTE, curve_name
from mechint.faithfulness.per_example import PerExample
from mechint.faithfulness.power import smallest_difference
from mechint.results.values import CurvePoint, Precision

__all__ = ["describe_curve", "describe_precision"]


def describe_precision(estimates: Estimates) -> dict[str, Precision]:
    """How well each measure is known; those without an interval are left out."""
    found = zip(estimates.items(), intervals(list(estimates.values())), strict=True)
    return {
        name: Precision(low=ends.low, high=ends.high, detectable=smallest_difference(estimate))
        for (name, estimate), ends in found
        if ends is not None
    }


def describe_curve(values: PerExample, size: int) -> tuple[CurvePoint, ...]:
    """The points of a curve over the units of a space of that size; none where no curve was measured."""
    found = [faithfulness_of(values, curve_name(share)) for share in values.sizes]
    return tuple(
        _point(values, share, max(1, round(share * size)), estimate, ends)
        for share, estimate, ends in zip(values.sizes, found, intervals(found), strict=True)
    )


def _point(values: PerExample, share: float, units: int, found: Estimate | None, ends: Interval | None) -> CurvePoint:
    name = curve_name(share)
    others: Mapping[str, Estimate | None] = {
        "complement": faithfulness_of(values, f"{name}/complement"),
        "absolute": faithfulness_of(values, curve_name(share, ABSOLUTE)),
    }
    return CurvePoint(
        size=share,
        units=units,
        faithfulness=_value(found),
        low=None if ends is None else ends.low,
        high=None if ends is None else ends.high,
        random=tuple(_value(one) for one in draws_of(values, f"{name}/random")),
        **{which: _value(estimate) for which, estimate in others.items()},
    )


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value
