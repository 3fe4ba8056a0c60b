"""How sparsity and temperature move over a search, as a spec writes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

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

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.reach <= self.warmup:
            raise ValueError(f"reach ({self.reach}) must be above warmup ({self.warmup})")
        return self


class TemperatureSchedule(OptionsModel):
    """The temperature of the relaxed mask, from start to end."""

    shape: Literal["constant", "linear", "exponential", "cosine"] = "linear"
    """constant holds start; exponential is geometric."""
    start: Annotated[float, Field(gt=0)] = 1.0
    end: Annotated[float, Field(gt=0)] = 0.1
    """Reached at the last step. For constant it must equal start or be left out, and then it has no meaning."""

    @model_validator(mode="after")
    def _holds_when_constant(self) -> Self:
        if self.shape == "constant" and "end" in self.model_fields_set and self.end != self.start:
            raise ValueError(f"a constant temperature stays at start ({self.start}); remove end ({self.end})")
        return self


def _word_as_shape(value: Any) -> Any:
    return {"shape": value} if isinstance(value, str) else value


class Schedules(OptionsModel):
    """For methods that learn masks. A bare word stands for a shape: ``sparsity: cubic``."""

    sparsity: Annotated[SparsitySchedule, BeforeValidator(_word_as_shape)] = SparsitySchedule()
    temperature: Annotated[TemperatureSchedule, BeforeValidator(_word_as_shape)] = TemperatureSchedule()
