"""An item that has been measured and waits for its verdicts, and the families that are judged together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mechint.results.values import ItemReport
from mechint.spec.values import Item, Plan

if TYPE_CHECKING:
    from mechint.circuit.effect_map import EffectMap
    from mechint.faithfulness.derive import Estimates

__all__ = ["Measured", "families", "waits_for_others"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """One item, measured or broken."""

    item: Item
    report: ItemReport
    """Complete but for its verdicts and what follows from them."""
    folder: Path
    estimates: Estimates = field(default_factory=dict)
    """Of the measures that are taken example by example; empty where the item is broken."""
    effects: tuple[EffectMap, ...] = ()
    """What the method measured at single places."""
    flaw: str = ""
    """Why faithfulness has no meaning on these examples; empty where it has one."""
    higher_is_better: frozenset[str] = frozenset()
    """The measures of which more is better."""


def families(measured: Sequence[Measured]) -> list[tuple[Measured, ...]]:
    """The items that were measured, together with those that differ from them in their seed alone."""
    found: dict[str, list[Measured]] = {}
    for one in measured:
        if one.report.error is None:
            found.setdefault(one.item.family, []).append(one)
    return [tuple(members) for members in found.values()]


def waits_for_others(plan: Plan) -> bool:
    """Whether an item's verdicts depend on other items: drops are judged together, and seeds of an item too."""
    assertions = [assertion for item in plan.items for assertion in item.cell.faithfulness.assertions]
    seeds = len({item.family for item in plan.items}) < len(plan.items)
    return any(one.max_drop is not None or (seeds and one.confidence is not None) for one in assertions)
