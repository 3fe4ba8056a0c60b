"""Entries: the items of a run that differ in their seed alone, with everything that was saved of them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import cast

import numpy as np

from mechint.circuit.overlap import Overlap, overlap, rank_correlation
from mechint.circuit.space import Space
from mechint.comparison.runs import Run, SavedCircuit
from mechint.comparison.values import Agreement, Entry, EntryMeasure, EntryPoint, EntrySite, Third
from mechint.errors import UsageError
from mechint.faithfulness.combine import over_runs
from mechint.faithfulness.derive import Estimates, estimate_measures
from mechint.faithfulness.estimate import Estimate
from mechint.faithfulness.interval import intervals
from mechint.results.values import CheckpointFacts, ItemReport, Methodology

__all__ = ["Loaded", "Member", "by_family", "describe_entry", "load_entry", "mean_overlap", "mean_spearman", "third_of"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """The measured items of a family in a run, which become one entry."""

    run: Run
    family: str
    items: tuple[ItemReport, ...]

    @property
    def checkpoint(self) -> CheckpointFacts:
        found = self.items[0].checkpoint
        assert found is not None, "a measured item has a checkpoint"
        return found

    @property
    def methodology(self) -> Methodology:
        found = self.items[0].methodology
        assert found is not None, "a measured item states how it was measured"
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loaded:
    """A member with its files."""

    member: Member
    circuits: tuple[SavedCircuit, ...]
    """One a seed."""
    estimates: tuple[Estimates, ...]
    """One a seed."""

    @property
    def space(self) -> Space:
        return self.circuits[0].space

    @property
    def layers(self) -> int:
        """Of the model; where its report does not say, up to the last layer with a site."""
        last = max(units.site.layer for units in self.space.sites) + 1
        return max(self.member.checkpoint.layers or 0, last)

    def estimate(self, measure: str) -> Estimate | None:
        """A measure over the seeds; None where it has no meaning or was not taken example by example."""
        found = [estimates.get(measure) for estimates in self.estimates]
        counts = {one.count for one in found if one is not None}
        return over_runs(found) if len(counts) == 1 and _same_examples(self.member.items) else None


def by_family(run: Run) -> Mapping[str, tuple[ItemReport, ...]]:
    """The measured items of a run, those that differ in their seed alone together, in the order of their seeds."""
    found: dict[str, list[ItemReport]] = {}
    for item in run.report.items:
        if item.measured:
            found.setdefault(item.family, []).append(item)
    return {family: tuple(sorted(items, key=lambda item: item.seed)) for family, items in found.items()}


def load_entry(member: Member) -> Loaded:
    """Read the circuits and the values of every seed; UsageError where a file is missing or damaged."""
    return Loaded(
        member=member,
        circuits=tuple(member.run.circuit(item) for item in member.items),
        estimates=tuple(_estimate(member.run, item) for item in member.items),
    )


def describe_entry(loaded: Loaded, name: str, step: int | None) -> Entry:
    """What is known of an entry by itself."""
    member, first = loaded.member, loaded.member.items[0]
    return Entry(
        name=name,
        run=member.run.name,
        family=member.family,
        items=tuple(item.id for item in member.items),
        seeds=tuple(item.seed for item in member.items),
        checkpoint=member.checkpoint.path,
        sha256=member.checkpoint.sha256,
        architecture=member.checkpoint.architecture,
        layers=loaded.layers,
        step=step,
        units=_units(loaded.space),
        scores_are=first.scores_are,
        methodology=member.methodology,
        measures=_measures(loaded),
        sites=_sites(loaded),
        curve=_curve(member.items),
        agreement=_agreement(loaded.circuits),
    )


def third_of(layer: int, layers: int) -> Third:
    """The third of the model in which the middle of a layer lies."""
    return cast(tuple[Third, ...], ("early", "middle", "late"))[3 * (2 * layer + 1) // (2 * layers)]


def mean_overlap(pairs: Sequence[tuple[SavedCircuit, SavedCircuit]]) -> Overlap | None:
    """The overlap of circuits of one space, over all pairs: means, and the largest p; None where two are empty."""
    found = [overlap(left.space, left.kept, right.kept) for left, right in pairs]
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found):
        return None
    return Overlap(
        shared=round(statistics.fmean(one.shared for one in known)),
        jaccard=statistics.fmean(one.jaccard for one in known),
        chance=statistics.fmean(one.chance for one in known),
        p=max(one.p for one in known),
    )


def mean_spearman(pairs: Sequence[tuple[SavedCircuit, SavedCircuit]]) -> float | None:
    """The mean rank correlation of scores; None where some rank nothing."""
    found = [rank_correlation(left.scores, right.scores) for left, right in pairs]
    known = [one.spearman for one in found if one is not None]
    return statistics.fmean(known) if known and len(known) == len(found) else None


def _estimate(run: Run, item: ItemReport) -> Estimates:
    try:
        return estimate_measures(run.values(item))
    except KeyError as error:
        raise UsageError(f"{run.folder / item.id}: its per-example values have no {error}") from None


def _same_examples(items: Sequence[ItemReport]) -> bool:
    return len({item.methodology.examples_sha256 for item in items if item.methodology is not None}) == 1


def _units(space: Space) -> str:
    names = {_unit(units.site.kind, units.heads, units.width) for units in space.sites}
    return names.pop() if len(names) == 1 else "units"


def _unit(kind: str, heads: int, width: int) -> str:
    if width == 1:
        return "sites" if heads == 1 else "heads"
    return "neurons" if kind == "mlp_post" else "channels"


def _measures(loaded: Loaded) -> dict[str, EntryMeasure]:
    items = loaded.member.items
    named = [name for name in items[0].measures if all(name in item.measures for item in items)]
    ends = dict(zip(named, intervals([loaded.estimate(name) for name in named]), strict=True))
    found = {}
    for name in named:
        value, spread = _mean_and_spread([item.measures[name] for item in items])
        end = ends[name]
        found[name] = EntryMeasure(
            value=value, low=end.low if end else None, high=end.high if end else None, spread=spread
        )
    return found


def _mean_and_spread(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """None for both where a value is undefined; None for the spread of a single one."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None, None
    return statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None


def _sites(loaded: Loaded) -> tuple[EntrySite, ...]:
    layers, found = loaded.layers, []
    places = loaded.space.places
    for units in loaded.space.sites:
        site, counts = units.site, [int(circuit.kept[places[units.site]].sum()) for circuit in loaded.circuits]
        share, spread = _mean_and_spread([count / units.count for count in counts])
        assert share is not None, "an entry has an item"
        found.append(
            EntrySite(
                site=str(site),
                layer=site.layer,
                depth=site.layer / max(layers - 1, 1),
                third=third_of(site.layer, layers),
                kind=site.kind,
                units=units.count,
                kept=statistics.fmean(counts),
                share=share,
                spread=spread,
                mean_score=statistics.fmean(
                    float(circuit.scores[places[site]].mean(dtype=np.float64)) for circuit in loaded.circuits
                ),
            )
        )
    return tuple(found)


def _curve(items: Sequence[ItemReport]) -> tuple[EntryPoint, ...]:
    """The curve of one seed with its intervals, the mean of several without; empty where the sizes differ."""
    sizes = {tuple(point.size for point in item.curve) for item in items}
    if len(sizes) > 1:
        return ()
    points = []
    for at, size in enumerate(sizes.pop()):
        seen = [item.curve[at] for item in items]
        value, _ = _mean_and_spread([point.faithfulness for point in seen])
        low, high = (seen[0].low, seen[0].high) if len(seen) == 1 else (None, None)
        points.append(EntryPoint(size=size, faithfulness=value, low=low, high=high))
    return tuple(points)


def _agreement(circuits: Sequence[SavedCircuit]) -> Agreement | None:
    pairs = list(combinations(circuits, 2))
    found = mean_overlap(pairs) if len({circuit.space for circuit in circuits}) == 1 else None
    if found is None:
        return None
    return Agreement(
        jaccard=found.jaccard, chance=found.chance, p=found.p, spearman=mean_spearman(pairs), pairs=len(pairs)
    )
