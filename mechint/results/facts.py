"""What is known of a run before it begins, as its reports say it."""

from __future__ import annotations

from typing import Any

from mechint.results.values import ItemReport, Outcome, SpecFacts
from mechint.spec.values import Choice, Item, Spec

__all__ = ["blank_item", "spec_facts"]


def spec_facts(spec: Spec) -> SpecFacts:
    """Which spec it is."""
    return SpecFacts(
        path=spec.path,
        sha256=spec.sha256,
        name=spec.name,
        description=spec.description,
        tags=spec.tags,
        trackers={name: options.model_dump(mode="json") for name, options in spec.trackers.items()},
    )


def blank_item(item: Item) -> ItemReport:
    """The report of an item of which nothing is measured yet."""
    cell = item.cell
    return ItemReport(
        id=item.id,
        family=item.family,
        nodeid=item.nodeid,
        outcome=Outcome.ERROR,
        seconds=0.0,
        cell=cell.values,
        method=_flat(cell.method),
        task={**_flat(cell.task), "metric": cell.metric},
        seed=cell.seed,
    )


def _flat(choice: Choice) -> dict[str, Any]:
    return {"name": choice.name, **choice.options.model_dump(mode="json")}
