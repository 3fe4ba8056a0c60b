"""A measured item on disk: what judging it takes, beside the files that people look at.

Judging a stored item imports no torch, so that a run in which nothing is measured answers at once. Maps of effects are
read only where assertions name them.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechint.engine.measured import Measured
from mechint.files import write_bytes
from mechint.results.values import ItemReport
from mechint.spec.values import Item

if TYPE_CHECKING:
    from mechint.circuit.effect_map import EffectMap

__all__ = ["EFFECTS", "MEASURED", "StoredFacts", "load_measured", "read_facts", "save_measured"]

MEASURED = "measured.safetensors"
EFFECTS = "effects.safetensors"
StoredFacts = dict[str, Any]
"""What a stored item states beside its arrays: ``key``, ``report``, ``flaw``, ``higher_is_better``, ``estimates``."""

_CLUSTERS = "clusters of effects/"
_FACTS = "facts"


def save_measured(measured: Measured, key: str) -> None:
    """Write what judging takes into the item's folder, with the key of what it was measured from."""
    from safetensors.numpy import save

    from mechint.faithfulness.packing import pack

    arrays, estimates = pack(measured.estimates)
    clusters = {f"{_CLUSTERS}{one.name}": one.clusters for one in measured.effects if one.clusters is not None}
    facts: StoredFacts = {
        "key": key,
        "report": measured.report.model_dump(mode="json"),
        "flaw": measured.flaw,
        "higher_is_better": sorted(measured.higher_is_better),
        "estimates": estimates,
    }
    content = save({**arrays, **clusters}, metadata={_FACTS: json.dumps(facts)})
    write_bytes(measured.folder / MEASURED, content)


def read_facts(folder: Path) -> StoredFacts | None:
    """What a folder states of its item; None where it holds none that can be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / MEASURED, framework="np") as file:
            facts: StoredFacts = json.loads((file.metadata() or {})[_FACTS])
            return facts
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def load_measured(item: Item, folder: Path, facts: StoredFacts, *, effects: bool | None = None) -> Measured:
    """The item as it was measured; with its maps of ``effects``, by default where its assertions name any."""
    from safetensors import safe_open

    from mechint.faithfulness.packing import unpack

    with safe_open(folder / MEASURED, framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    report = ItemReport.model_validate(facts["report"])
    named = any(one.effect or one.peak for one in item.cell.faithfulness.assertions)
    measured = Measured(
        item=item,
        report=relabelled(report, item),
        folder=folder,
        estimates=unpack(arrays, facts["estimates"]),
        flaw=facts["flaw"],
        higher_is_better=frozenset(facts["higher_is_better"]),
    )
    if not report.effects or not (named if effects is None else effects):
        return measured
    return replace(measured, effects=_load_effects(report, folder, arrays))


def relabelled(report: ItemReport, item: Item) -> ItemReport:
    """The report under the names that this run has for what was measured."""
    update: dict[str, Any] = {"id": item.id, "family": item.family, "nodeid": item.nodeid, "cell": item.cell.values}
    if report.checkpoint is not None:
        update["checkpoint"] = report.checkpoint.model_copy(update={"path": item.checkpoint.name})
    return report.model_copy(update=update)


def _load_effects(report: ItemReport, folder: Path, arrays: dict[str, Any]) -> tuple[EffectMap, ...]:
    from safetensors.numpy import load_file

    from mechint.circuit.effect_map import EffectMap

    values = load_file(folder / EFFECTS)
    clusters = {name: array for name, array in arrays.items() if name.startswith(_CLUSTERS)}
    return tuple(
        EffectMap(
            name=table.name,
            title=table.title,
            quantity=table.quantity,
            rows=table.rows,
            columns=table.columns,
            row_axis=table.row_axis,
            column_axis=table.column_axis,
            values=values[table.name],
            clusters=clusters.get(f"{_CLUSTERS}{table.name}"),
        )
        for table in report.effects
    )
