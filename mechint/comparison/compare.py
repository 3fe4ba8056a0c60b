"""Comparing finished runs, from what they saved alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise, product
from pathlib import Path

from mechint import __version__
from mechint.comparison.entries import Loaded, describe_entry, load_entry, mean_overlap, mean_spearman
from mechint.comparison.findings import adjust_overlaps, conclude
from mechint.comparison.layers import layer_deltas
from mechint.comparison.maps import map_deltas
from mechint.comparison.match import Matched, match
from mechint.comparison.measures import measure_differences
from mechint.comparison.methodology import comparable, unlikes
from mechint.comparison.runs import Run, read_runs
from mechint.comparison.shares import share_differences
from mechint.comparison.steps import steps_of
from mechint.comparison.values import (
    ComparedRun,
    Comparison,
    Difference,
    Entry,
    EntryMeasure,
    Group,
    Overlap,
    StepPoint,
)
from mechint.errors import UsageError

__all__ = ["compare"]

CONFIDENCE = 0.95


def compare(folders: Sequence[Path], base: str | None = None) -> Comparison | None:
    """Compare everything in these folders that can be compared; None where nothing can.

    ``base`` names the entry that others are compared with, by its own name, its run's or its items'; by default it is
    the first of each group, in natural order or in that of the steps. Raises UsageError for a folder that is no run,
    for files that are missing or damaged, and for a base that no group has.
    """
    runs = read_runs(folders)
    matches = match(runs)
    if not matches.groups:
        return None
    if base is not None and not any(_find_base(group, base) for group in matches.groups):
        names = ", ".join(dict.fromkeys(name for group in matches.groups for name in group.members))
        raise UsageError(f"nothing that is compared is called {base!r}\n  hint: there are {names}")
    return conclude(
        Comparison(
            mechint=__version__,
            confidence=CONFIDENCE,
            runs=tuple(_describe_run(run) for run in runs),
            groups=tuple(_compare_group(group, base) for group in matches.groups),
            left_out=matches.left_out,
            tests=0,
            findings=(),
            conclusion="",
        )
    )


def _describe_run(run: Run) -> ComparedRun:
    spec = run.report.spec
    return ComparedRun(
        name=run.name, path=str(run.folder), spec=spec.path, spec_sha256=spec.sha256, started=run.report.started
    )


def _find_base(group: Matched, base: str) -> str | None:
    """The entry that ``base`` names; of several, such as those of one run, the first."""
    for name, member in group.members.items():
        if base in (name, member.run.name, member.family, *(item.id for item in member.items)):
            return name
    return None


def _compare_group(group: Matched, wanted: str | None) -> Group:
    steps = steps_of(group.members)
    names = sorted(group.members, key=steps.__getitem__) if steps else list(group.members)
    loaded = {name: load_entry(group.members[name]) for name in names}
    entries = {name: describe_entry(loaded[name], name, steps.get(name)) for name in names}
    base = (None if wanted is None else _find_base(group, wanted)) or names[0]
    others = [name for name in names if name != base]
    overlaps = _overlaps(loaded)
    return Group(
        name=group.name,
        method=group.method,
        task=group.task,
        cell=group.cell,
        base=base,
        entries=tuple(entries.values()),
        unlike=tuple(one for name in others for one in unlikes(name, loaded[name], loaded[base])),
        layers=tuple(delta for name in others for delta in layer_deltas(entries[name], entries[base])),
        differences=_differences(entries, loaded, base, list(pairwise(names)) if steps else []),
        overlaps=overlaps,
        maps=tuple(delta for name in others for delta in map_deltas(name, loaded[name], loaded[base])),
        steps=_steps(entries, overlaps) if steps else (),
    )


def _differences(
    entries: Mapping[str, Entry], loaded: Mapping[str, Loaded], base: str, steps: Sequence[tuple[str, str]]
) -> tuple[Difference, ...]:
    """Each entry against the base, and each step against the one before."""
    pairs = [(base, name) for name in entries if name != base]
    found: list[Difference] = []
    for before, after in dict.fromkeys([*pairs, *steps]):
        four = entries[after], entries[before], loaded[after], loaded[before]
        found += share_differences(*four)
        if comparable(loaded[after], loaded[before]):
            found += measure_differences(*four)
    return tuple(found)


def _overlaps(loaded: Mapping[str, Loaded]) -> tuple[Overlap, ...]:
    """Of all pairs of entries with one space."""
    found = []
    for left, right in combinations(loaded, 2):
        if loaded[left].space == loaded[right].space:
            pairs = list(product(loaded[left].circuits, loaded[right].circuits))
            shared = mean_overlap(pairs)
            found.append(
                Overlap(
                    left=left,
                    right=right,
                    jaccard=None if shared is None else shared.jaccard,
                    chance=None if shared is None else shared.chance,
                    p=None if shared is None else shared.p,
                    spearman=mean_spearman(pairs),
                )
            )
    return adjust_overlaps(found)


def _steps(entries: Mapping[str, Entry], overlaps: Sequence[Overlap]) -> tuple[StepPoint, ...]:
    """Each checkpoint beside the last."""
    last = list(entries)[-1]
    with_last = {one.left: one for one in overlaps if one.right == last}
    points = []
    for name, entry in entries.items():
        shared = with_last.get(name)
        kept, units = sum(site.kept for site in entry.sites), sum(site.units for site in entry.sites)
        points.append(
            StepPoint(
                entry=name,
                step=entry.step or 0,
                share=kept / units,
                faithfulness=entry.measures.get("faithfulness", EntryMeasure(value=None)),
                jaccard=1.0 if name == last else None if shared is None else shared.jaccard,
                chance=None if shared is None else shared.chance,
                changed=(),
            )
        )
    return tuple(points)
