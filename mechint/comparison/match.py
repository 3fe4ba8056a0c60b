"""Which entries of all runs can be compared: those that share method, task and the values of the matrices."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mechint.comparison.entries import Member, by_family
from mechint.comparison.runs import Run
from mechint.natural import natural_key
from mechint.results.values import ItemReport
from mechint.spec.plan import SEED, label_cell

__all__ = ["Matched", "Matches", "match"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matched:
    """Entries of one group by name, in natural order."""

    method: str
    task: str
    cell: Mapping[str, Any]
    """The values of the matrices that all of them share, but for the seed."""
    members: Mapping[str, Member]

    @property
    def name(self) -> str:
        """``kv_circuit on tokens, target_sparsity 0.8``."""
        cell = "".join(f", {path.rpartition('.')[2]} {_plain(value)}" for path, value in self.cell.items())
        return f"{self.method} on {self.task}{cell}"

    @property
    def comparable(self) -> bool:
        """Whether there is anything to compare: two entries, or two seeds of one."""
        return len(self.members) > 1 or any(len(member.items) > 1 for member in self.members.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """All groups in which there is something to compare."""

    groups: tuple[Matched, ...]
    left_out: tuple[str, ...]
    """Items that are in none of them, and why."""


def match(runs: Sequence[Run]) -> Matches:
    """Group the measured items of all runs.

    Where no two entries share the values of the matrices, as with one checkpoint, the cells themselves are compared.
    """
    members = [Member(run=run, family=family, items=items) for run in runs for family, items in by_family(run).items()]
    paths = tuple(dict.fromkeys(path for member in members for path in member.items[0].cell if path != SEED))
    groups = _group(members, paths)
    if paths and not any(len(group.members) > 1 for group in groups):
        groups = _group(members, ())
    broken = [
        f"{_place(run, item.id, runs)}: {'is skipped' if item.error is None else item.error.kind}"
        for run in runs
        for item in run.report.items
        if not item.measured
    ]
    alone = [
        f"{_place(member.run, member.family, runs)}: no other entry is {group.name}"
        for group in groups
        if not group.comparable
        for member in group.members.values()
    ]
    return Matches(groups=tuple(group for group in groups if group.comparable), left_out=(*broken, *alone))


def _group(members: Sequence[Member], paths: Sequence[str]) -> list[Matched]:
    found: dict[tuple[str, ...], list[Member]] = {}
    for member in members:
        item = member.items[0]
        values = (json.dumps(_value(item, path), sort_keys=True) for path in paths)
        found.setdefault((_name(item.method), _name(item.task), *values), []).append(member)
    several = len({member.run.name for member in members}) > 1
    return [
        Matched(
            method=method,
            task=task,
            cell={path: json.loads(value) for path, value in zip(paths, values, strict=True)},
            members=_named(together, bare=bool(paths), several=several),
        )
        for (method, task, *values), together in found.items()
    ]


def _value(item: ItemReport, path: str) -> Any:
    """The item's value of a path of the matrix, though its own spec may have no matrix; None where it has none."""
    if path in item.cell:
        return item.cell[path]
    if path == "faithfulness.ablation" and item.methodology is not None:
        return item.methodology.ablation
    value: Any = {"method": item.method, "task": item.task}
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _name(section: Mapping[str, Any]) -> str:
    return str(section.get("name", ""))


def _named(members: Sequence[Member], *, bare: bool, several: bool) -> dict[str, Member]:
    """Members by the shortest names that tell them apart: run, checkpoint and, unless ``bare``, cell."""
    labels = [_bare(member) if bare else member.family for member in members]
    runs = [member.run.name for member in members]
    if not several:
        names = labels
    elif len(set(labels)) == 1 and len(set(runs)) == len(runs):
        names = runs
    else:
        names = [f"{run}/{label}" for run, label in zip(runs, labels, strict=True)]
    if len(set(names)) < len(names):
        names = [f"{member.run.name}/{member.family}" for member in members]
    named = dict(zip(names, members, strict=True))
    return {name: named[name] for name in sorted(named, key=natural_key)}


def _bare(member: Member) -> str:
    """The family without what it says of its cell: the checkpoint's label."""
    suffix = label_cell(member.items[0].cell, without=SEED)
    return member.family.removesuffix(suffix) or member.family


def _place(run: Run, what: str, runs: Sequence[Run]) -> str:
    return f"{run.name}/{what}" if len(runs) > 1 else what


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
