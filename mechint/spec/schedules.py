"""How sparsity and temperature move over a search, as a spec writes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mechint.spec.options import OptionsModel

__all__ = ["Schedules", "SparsitySchedule", "TemperatureSchedule"]


class SparsitySchedule(OptionsModel):
    """The share of units dropped, rising from 0 to the target."""

    shape: Literal["linear", "cubic", "cubic_reverse", "exponential", "cosine"] = "cubic"
    """With t = step / (steps - 1): linear t; cubic t^3 (gentle start); cubic_reverse 1 - (1 - t)^3 (gentle end);
    exponential (1 - e^-5t) / (1 - e^-5); cosine 1 - cos(pi t / 2)."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the steps before the rise begins."""
    reach: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the steps after which the target is held; must be above warmup."""


class TemperatureSchedule(OptionsModel):
    """The temperature of the relaxed mask, from start to end."""

    shape: Literal["constant", "linear", "exponential", "cosine"] = "linear"
    """constant holds start; exponential is geometric."""
    start: Annotated[float, Field(gt=0)] = 1.0
    end: Annotated[float, Field(gt=0)] = 0.1
    """Reached at the last step; a constant schedule ignores it only when it equals start or is left out."""


class Schedules(OptionsModel):
    """For methods that learn masks. A bare word stands for a shape: ``sparsity: cubic``."""

    sparsity: SparsitySchedule = SparsitySchedule()
    temperature: TemperatureSchedule = TemperatureSchedule()
