from __future__ import annotations

import pytest
from pydantic import ValidationError

from mechint.spec.schedules import Schedules, SparsitySchedule, TemperatureSchedule


def test_a_bare_word_is_a_shape() -> None:
    schedules = Schedules.model_validate({"sparsity": "cosine", "temperature": "constant"})
    assert schedules.sparsity == SparsitySchedule(shape="cosine")
    assert schedules.temperature.shape == "constant"


def test_the_rise_ends_after_it_begins() -> None:
    with pytest.raises(ValidationError, match=r"reach \(0.4\) must be above warmup \(0.5\)"):
        SparsitySchedule(warmup=0.5, reach=0.4)


def test_a_constant_temperature_has_no_end_of_its_own() -> None:
    assert TemperatureSchedule(shape="constant", start=0.5, end=0.5).start == 0.5
    with pytest.raises(ValidationError, match="stays at start"):
        TemperatureSchedule(shape="constant", start=1.0, end=0.1)
