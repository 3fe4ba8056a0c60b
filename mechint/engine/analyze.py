"""Asking an item's method for a circuit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mechint.engine.plugins import Plugins, wrong_return
from mechint.engine.prepare import Prepared
from mechint.errors import PluginError
from mechint.journal import Journal
from mechint.spec.values import Item

if TYPE_CHECKING:
    from mechint.circuit.circuit import Analysis

__all__ = ["analyze"]


def analyze(item: Item, plugins: Plugins, ready: Prepared, journal: Journal) -> Analysis:
    """Ask the item's method for a circuit; PluginError where it gives something else or changes the model."""
    from mechint.circuit.circuit import Analysis
    from mechint.subject.fingerprint import fingerprint

    before = fingerprint(ready.subject.model)
    analysis: Analysis = plugins.ask(
        item.cell.method.name,
        "mechint_analyze",
        subject=ready.subject,
        task=ready.task,
        ablation=ready.ablation,
        options=item.cell.method.options.model_copy(deep=True),
        schedules=item.cell.schedules,
        seed=item.cell.seed,
        journal=journal,
    )
    after = fingerprint(ready.subject.model)
    if after != before:
        changed = next(name for name in {**before, **after} if before.get(name) != after.get(name))
        raise PluginError(
            f"plugin {item.cell.method.name!r} changed the model's weights, {changed} among them; "
            "what is measured then is another model"
        )
    if not isinstance(analysis, Analysis):
        raise wrong_return(item.cell.method.name, "mechint_analyze", analysis, "an Analysis")
    return analysis
