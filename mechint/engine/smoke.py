"""``--smoke``: every step of a spec with tiny budgets, to find out whether it runs at all.

Options are recognised by name, whatever plugin they belong to. What comes out means nothing, so it goes to a folder of
its own, is marked in every report, and an assertion that does not hold only warns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from mechint.results.outcome import Outcome
from mechint.spec.options import OptionsModel
from mechint.spec.values import Item, Plan

if TYPE_CHECKING:
    from mechint.results.values import ItemReport

__all__ = ["BUDGETS", "FOLDER", "shrink", "shrink_options", "soften", "with_values"]

_Model = TypeVar("_Model", bound=OptionsModel)

FOLDER = "-smoke"
"""What the name of the folder for results ends in."""

BUDGETS: Mapping[str, int] = {
    "steps": 4,
    "points": 2,
    "draws": 1,
    "check": 2,
    "train": 8,
    "validation": 8,
    "minimality": 1,
    "stability": 1,
}
"""Options that cost time, and the most that a smoke run spends on each."""
WARMING = ("warm_steps", "patience")
"""Options that must stay below ``steps``."""


def shrink(plan: Plan) -> Plan:
    """The plan with tiny budgets and a folder of its own."""
    spec = replace(plan.spec, output_dir=f"{plan.spec.output_dir.rstrip('/')}{FOLDER}")
    return replace(plan, spec=spec, items=tuple(map(_shrink_item, plan.items)), smoke=True)


def shrink_options(options: _Model) -> _Model:
    """The options with every budget at most what a smoke run spends, at any depth."""
    changed: dict[str, object] = {}
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        smaller: object = None
        if isinstance(value, OptionsModel):
            smaller = shrink_options(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            budget = 1 if name in WARMING else BUDGETS.get(name, value)
            smaller = min(value, max(budget, _least(field)))
        if smaller is not None and smaller != value:
            changed[name] = smaller
    return with_values(options, changed)


def with_values(options: _Model, changed: Mapping[str, object]) -> _Model:
    """The options with other values for some; as they are where a plugin's own rule between options forbids it."""
    if not changed:
        return options
    stated = {name: getattr(options, name) for name in options.model_fields_set}
    # What the spec leaves out stays left out: some options may only be stated without others.
    named = {type(options).model_fields[name].alias or name: value for name, value in {**stated, **changed}.items()}
    try:
        return type(options).model_validate(named)
    except ValidationError:
        return options


def soften(report: ItemReport) -> ItemReport:
    """The report with warnings in place of verdicts that tiny budgets cannot be held to."""
    if report.error is not None or report.outcome is Outcome.SKIPPED:
        return report
    harsh = (Outcome.FAILED, Outcome.UNDECIDED)
    verdicts = tuple(
        verdict.model_copy(update={"outcome": Outcome.WARNED}) if verdict.outcome in harsh else verdict
        for verdict in report.verdicts
    )
    warned = any(verdict.outcome is Outcome.WARNED for verdict in verdicts)
    return report.model_copy(update={"verdicts": verdicts, "outcome": Outcome.WARNED if warned else Outcome.PASSED})


def _shrink_item(item: Item) -> Item:
    cell = item.cell
    judged = shrink_options(cell.faithfulness)
    curve = None if judged.curve is None else judged.curve.model_copy(update={"random": 1})
    shrunk = replace(
        cell,
        task=replace(cell.task, options=shrink_options(cell.task.options)),
        method=replace(cell.method, options=shrink_options(cell.method.options)),
        faithfulness=judged.model_copy(update={"curve": curve}),
    )
    return replace(item, cell=shrunk)


def _least(field: FieldInfo) -> int:
    """The lowest number that an option admits; 0 where it states none."""
    bounds = [getattr(rule, "ge", None) for rule in field.metadata]
    return max((int(bound) for bound in bounds if isinstance(bound, int | float)), default=0)
