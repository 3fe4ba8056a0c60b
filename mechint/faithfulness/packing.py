"""Estimates as arrays and plain facts, for a file that is read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mechint.faithfulness.estimate import Estimate, RunSpread, Vector

__all__ = ["pack", "unpack"]

_FACTS = ("share", "graded", "step")
_ARRAYS = ("numerator", "denominator", "clusters")


def pack(estimates: Mapping[str, Estimate | None]) -> tuple[dict[str, Vector], dict[str, Any]]:
    """The arrays by names such as ``faithfulness/numerator``, and what else each estimate states."""
    arrays: dict[str, Vector] = {}
    facts: dict[str, Any] = {}
    for name, one in estimates.items():
        if one is None:
            facts[name] = None
            continue
        arrays |= {f"{name}/{part}": getattr(one, part) for part in _ARRAYS if getattr(one, part) is not None}
        facts[name] = {fact: getattr(one, fact) for fact in _FACTS} | {"runs": [asdict(run) for run in one.runs]}
    return arrays, facts


def unpack(arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Estimate | None]:
    """The estimates that ``pack`` was given, to the bit."""
    return {name: None if stated is None else _unpack(name, arrays, stated) for name, stated in facts.items()}


def _unpack(name: str, arrays: Mapping[str, Any], stated: Mapping[str, Any]) -> Estimate:
    parts = {part: arrays[f"{name}/{part}"] for part in _ARRAYS if f"{name}/{part}" in arrays}
    runs = tuple(RunSpread(**run) for run in stated["runs"])
    return Estimate(**parts, **{fact: stated[fact] for fact in _FACTS}, runs=runs)
