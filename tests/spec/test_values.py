from __future__ import annotations

import pytest
from pydantic import ValidationError

from mechint.spec.values import Assertion


@pytest.mark.parametrize(
    ("bounds", "why"),
    [
        ({}, "needs a bound"),
        ({"at_least": 0.9, "at_most": 0.5}, "nothing lies between"),
        ({"above": 0.5, "at_most": 0.5}, "nothing lies between"),
        ({"at_least": 0.1, "above": 0.2}, "give one of at_least and above"),
        ({"at_most": 0.1, "below": 0.2}, "give one of at_most and below"),
        ({"at_least": float("nan")}, "finite"),
    ],
)
def test_an_assertion_states_a_range(bounds: dict[str, float], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Assertion(metric="loss", **bounds)  # type: ignore[arg-type]


@pytest.mark.parametrize("bounds", [{"at_least": 0.5, "at_most": 0.5}, {"above": 0.1, "below": 0.2}, {"below": 0}])
def test_ranges(bounds: dict[str, float]) -> None:
    assert Assertion(metric="loss", **bounds).metric == "loss"  # type: ignore[arg-type]
