"""The tables of a comparison: as text for reports, and row by row for spreadsheets."""

from __future__ import annotations

from mechint.comparison.findings import kind_name, p_text
from mechint.comparison.values import Difference, EntryMeasure, Group
from mechint.results.describe import interval, number
from mechint.results.tables import Table

__all__ = [
    "entry_table",
    "layer_table",
    "map_table",
    "measure_table",
    "overlap_table",
    "seed_table",
    "share_table",
    "step_table",
    "unlike_table",
]


_HEADLINE = ("faithfulness", "faithfulness_random", "completeness")


def entry_table(group: Group) -> Table:
    """One row an entry: how much it keeps and how faithful that is."""
    rows = [
        (
            entry.name + (" (base)" if entry.name == group.base else ""),
            str(len(entry.seeds)),
            str(entry.layers),
            _kept(sum(site.kept for site in entry.sites), sum(site.units for site in entry.sites)),
            *(_measure(entry.measures.get(name)) for name in _HEADLINE),
        )
        for entry in group.entries
    ]
    header = ("Entry", "Seeds", "Layers", "Kept", "Faithfulness", "Random", "Completeness")
    return Table(header=header, rows=tuple(rows))


def unlike_table(group: Group) -> Table:
    """What is not like the base, and what is not compared for that reason."""
    rows = [(one.entry, one.what, one.value, one.base_value, one.leaves_out or "nothing") for one in group.unlike]
    return Table(header=("Entry", "What", "Its own", "The base's", "Not compared"), rows=tuple(rows), words=5)


def share_table(group: Group) -> Table:
    """Shares of units kept, overall and by kind and third."""
    rows = [
        (one.entry, one.base, kind_name(one.kind) or "all", one.third or "all", *_tested(one), one.test)
        for one in group.differences
        if one.quantity == "kept"
    ]
    header = ("Entry", "Against", "Sites", "Third", "Share", "Base's share", "Difference", "p", "p by Holm", "Test")
    return Table(header=header, rows=tuple(rows), words=4)


def measure_table(group: Group) -> Table:
    """Measures, with the 95 % intervals of their differences."""
    rows = [
        (
            one.entry,
            one.base,
            one.quantity,
            *_tested(one)[:3],
            interval(one.low, one.high),
            *_tested(one)[3:],
            one.test,
        )
        for one in group.differences
        if one.quantity != "kept"
    ]
    header = ("Entry", "Against", "Measure", "Value", "Base's value", "Difference", "95 % interval", "p", "p by Holm")
    return Table(header=(*header, "Test"), rows=tuple(rows), words=3)


def layer_table(group: Group) -> Table:
    """Every site against the base's, in the order of the layers."""
    rows = [
        (
            one.entry,
            str(one.layer),
            kind_name(one.kind),
            f"{one.depth:.2f}",
            one.base_site,
            number(one.share),
            number(one.base_share),
            _signed(one.delta_share),
            "" if one.delta_kept is None else _signed(one.delta_kept),
            "" if one.delta_score is None else _signed(one.delta_score),
        )
        for one in group.layers
    ]
    header = ("Entry", "Layer", "Site", "Depth", "Base's site", "Share", "Base's share")
    return Table(header=(*header, "Δ share", "Δ units", "Δ mean score"), rows=tuple(rows))


def overlap_table(group: Group) -> Table:
    """What pairs of circuits share, against chance."""
    rows = [
        (one.left, one.right, *map(number, (one.jaccard, one.chance)), _p(one.adjusted), number(one.spearman))
        for one in group.overlaps
    ]
    header = ("Circuit", "Circuit", "Jaccard", "By chance", "p by Holm", "Spearman of scores")
    return Table(header=header, rows=tuple(rows), words=2)


def seed_table(group: Group) -> Table:
    """How alike the seeds of one entry are."""
    rows = [
        (
            entry.name,
            str(len(entry.seeds)),
            *map(number, (entry.agreement.jaccard, entry.agreement.chance)),
            _p(entry.agreement.p),
            number(entry.agreement.spearman),
        )
        for entry in group.entries
        if entry.agreement is not None
    ]
    header = ("Entry", "Seeds", "Jaccard", "By chance", "p", "Spearman of scores")
    return Table(header=header, rows=tuple(rows))


def map_table(group: Group) -> Table:
    """Peaks of maps of effects beside the base's."""
    rows = [
        (one.entry, one.map, one.peak, number(one.value), one.base_peak, number(one.base_value), number(one.spearman))
        for one in group.maps
    ]
    header = ("Entry", "Map", "Peak", "Effect", "Base's peak", "Base's effect", "Spearman of effects")
    return Table(header=header, rows=tuple(rows), words=3)


def step_table(group: Group) -> Table:
    """The circuit along the training."""
    rows = [
        (
            f"{one.step:,}",
            one.entry,
            "; ".join(one.changed),
            number(one.share),
            _measure(one.faithfulness),
            number(one.jaccard),
            number(one.chance),
        )
        for one in group.steps
    ]
    header = ("Step", "Entry", "Changed since the step before", "Share kept", "Faithfulness")
    return Table(header=(*header, "Jaccard with the last", "By chance"), rows=tuple(rows), words=3)


def _tested(one: Difference) -> tuple[str, str, str, str, str]:
    """Value, the base's, their difference, p and p by Holm."""
    delta = "undefined" if one.delta is None else _signed(one.delta)
    return number(one.value), number(one.base_value), delta, _p(one.p), _p(one.adjusted)


def _measure(one: EntryMeasure | None) -> str:
    """``0.92 (0.90 to 0.94)``."""
    if one is None:
        return "n/a"
    ends = interval(one.low, one.high)
    return f"{number(one.value)} ({ends})" if ends else number(one.value)


def _kept(kept: float, units: int) -> str:
    return f"{number(kept)} of {units:,} ({100 * kept / units:.1f} %)"


def _signed(delta: float) -> str:
    return f"+{number(delta)}" if delta > 0 else number(delta)


def _p(p: float | None) -> str:
    return "" if p is None else p_text(p).removeprefix("= ")
