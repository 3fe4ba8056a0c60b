"""Which of the collected items run: named, matched, failed last time, and those of one shard."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mechint.codes import Code
from mechint.engine.expression import parse_expression
from mechint.errors import NothingCollected, UsageError
from mechint.spec.find import find_specs
from mechint.spec.scalars import quote
from mechint.spec.suggest import did_you_mean
from mechint.spec.values import Item, Plan

__all__ = ["Selection", "Shard", "named_specs", "parse_shard", "refuse_shared_folders", "select"]

_SHARD = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One part of a run that is done in several places."""

    number: int
    """From 1."""
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the command line says about which items run; without any of it all do."""

    named: Mapping[str, Collection[str]] = field(default_factory=dict)
    """The ids that were named behind ``::``, by spec; a spec that is not among the keys runs whole."""
    keyword: str = ""
    """Expression over parts of item ids and spec names."""
    tags: str = ""
    """Expression over the specs' tags."""
    deselected: Sequence[str] = ()
    """Beginnings of node ids."""
    failed: frozenset[str] | None = None
    """Node ids that failed last time: only these run, if any of them is there; None for all."""
    shard: Shard | None = None


def named_specs(arguments: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The specs that arguments stand for, and the ids that ``spec::id`` names by spec.

    A spec that is also named without an id, or by its folder, runs whole.
    """
    paths = [argument.partition("::")[0] for argument in arguments]
    whole = set(find_specs([argument for argument in arguments if "::" not in argument]))
    named: dict[str, list[str]] = {}
    for argument in arguments:
        path, mark, name = argument.partition("::")
        if mark and os.path.isdir(path):
            raise UsageError(
                f"{quote(argument)} names an item of a folder\n  hint: write spec.yaml::item", code=Code.SELECTION
            )
        if mark and path not in whole:
            named.setdefault(path, []).append(name)
    return find_specs(paths), named


def parse_shard(text: str) -> Shard:
    """The shard that ``2/3`` names."""
    match = _SHARD.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        raise UsageError(
            f"--shard {quote(text)} is no shard\n  hint: write its number and how many there are: 1/4",
            code=Code.SELECTION,
        )
    return Shard(number=int(match[1]), count=int(match[2]))


def select(plans: Sequence[Plan], selection: Selection) -> list[Plan]:
    """The plans with the items that run, in the same order; raises NothingCollected where none is left."""
    chosen = _only_failed([_chosen(plan, selection) for plan in plans], selection.failed)
    # A shard reports the items of all shards as selected, so that a merge finds out what is missing.
    chosen = [replace(plan, selected=tuple(item.id for item in plan.items)) for plan in chosen]
    sharded = chosen if selection.shard is None else _one_shard(chosen, selection.shard)
    if not any(plan.items for plan in sharded):
        raise _nothing_left(sum(plan.collected for plan in plans), sum(len(plan.items) for plan in chosen))
    return sharded


def refuse_shared_folders(plans: Sequence[Plan]) -> None:
    """Raise UsageError where two specs write to one folder, as they would overwrite each other's results."""
    owners: dict[Path, str] = {}
    for plan in plans:
        folder = Path(plan.spec.output_dir).resolve()
        if folder in owners:
            raise UsageError(
                f"{owners[folder]} and {plan.spec.path} both write to {plan.spec.output_dir}\n"
                f"  hint: give each its own output_dir",
                code=Code.OUTPUT_DIR,
            )
        owners[folder] = plan.spec.path


def _chosen(plan: Plan, selection: Selection) -> Plan:
    tests = [_named(plan, selection.named), _matching(plan, selection), _not_deselected(selection.deselected)]
    return replace(plan, items=tuple(item for item in plan.items if all(test(item) for test in tests)))


def _named(plan: Plan, named: Mapping[str, Collection[str]]) -> Callable[[Item], bool]:
    if plan.spec.path not in named:
        return lambda _: True
    wanted, known = named[plan.spec.path], [item.id for item in plan.items]
    for name in wanted:
        if name not in known:
            hint = f"--collect-only lists its {len(known)} items"
            said = f"{plan.spec.path} has no item {quote(name)}{did_you_mean(name, known)}\n  hint: {hint}"
            raise UsageError(said, code=Code.SELECTION)
    return lambda item: item.id in wanted


def _matching(plan: Plan, selection: Selection) -> Callable[[Item], bool]:
    """Whether keywords and tags fit; as in pytest, an empty expression is none."""
    by_keyword = parse_expression("-k", selection.keyword) if selection.keyword.strip() else None
    by_tag = parse_expression("-m", selection.tags) if selection.tags.strip() else None
    tagged = by_tag is None or by_tag(lambda tag: tag in plan.spec.tags)

    def fits(item: Item) -> bool:
        names = f"{os.path.basename(item.spec)}::{item.id}".casefold()
        return tagged and (by_keyword is None or by_keyword(lambda word: word.casefold() in names))

    return fits


def _not_deselected(beginnings: Sequence[str]) -> Callable[[Item], bool]:
    return lambda item: not item.nodeid.startswith(tuple(beginnings))


def _only_failed(plans: Sequence[Plan], failed: frozenset[str] | None) -> list[Plan]:
    if failed is None or not any(item.nodeid in failed for plan in plans for item in plan.items):
        return list(plans)
    return [replace(plan, items=tuple(item for item in plan.items if item.nodeid in failed)) for plan in plans]


def _one_shard(plans: Sequence[Plan], shard: Shard) -> list[Plan]:
    """Every n-th group of items that are judged together, counted over all specs."""
    groups = list(dict.fromkeys(_group(plan, item) for plan in plans for item in plan.items))
    mine = set(groups[shard.number - 1 :: shard.count])
    return [replace(plan, items=tuple(item for item in plan.items if _group(plan, item) in mine)) for plan in plans]


def _group(plan: Plan, item: Item) -> Hashable:
    """What an item must not be parted from: its other seeds, and all of the spec where drops are judged together."""
    drops = any(one.max_drop is not None for other in plan.items for one in other.cell.faithfulness.assertions)
    return plan.spec.path if drops else (plan.spec.path, item.family)


def _nothing_left(collected: int, selected: int) -> NothingCollected:
    if selected:
        return NothingCollected(
            f"this shard is empty: {selected} selected items make fewer groups than there are shards",
            code=Code.NOTHING_SELECTED,
        )
    return NothingCollected(
        f"collected {collected} items / {collected} deselected / 0 selected\n  hint: --collect-only lists the items",
        code=Code.NOTHING_SELECTED,
    )
