"""Where sparsity and temperature stand at a step of a search.

Progress is ``t = step / (steps - 1)``, so that the last step reaches the end of the schedule.
"""

from __future__ import annotations

import math

from mechint.spec.schedules import SparsitySchedule, TemperatureSchedule

__all__ = ["sparsity_at", "temperature_at"]


def sparsity_at(schedule: SparsitySchedule, target: float, step: int, steps: int) -> float:
    """Share of the units that is dropped at ``step`` (from 0) of ``steps``, rising from 0 to ``target``."""
    t = (_progress(step, steps) - schedule.warmup) / (schedule.reach - schedule.warmup)
    return target if t >= 1 else target * _rise(schedule.shape, max(t, 0.0))


def temperature_at(schedule: TemperatureSchedule, step: int, steps: int) -> float:
    """Temperature of the relaxed mask at ``step`` (from 0) of ``steps``."""
    t = _progress(step, steps)
    start, end = schedule.start, schedule.end
    match schedule.shape:
        case "constant":
            return start
        case "linear":
            return start + (end - start) * t
        case "exponential":
            return start * math.pow(end / start, t)
        case "cosine":
            return end + (start - end) * (1 + math.cos(math.pi * t)) / 2


def _progress(step: int, steps: int) -> float:
    return step / (steps - 1) if steps > 1 else 1.0


def _rise(shape: str, t: float) -> float:
    """A curve from 0 at t = 0 to 1 at t = 1."""
    match shape:
        case "linear":
            return t
        case "cubic":
            return t**3
        case "cubic_reverse":
            return 1 - (1 - t) ** 3
        case "exponential":
            return (1 - math.exp(-5 * t)) / (1 - math.exp(-5))
        case "cosine":
            return 1 - math.cos(math.pi * t / 2)
    raise AssertionError(f"the schema admits no sparsity schedule {shape!r}")
