"""Layers and overlaps of a comparison as tables whose cells have a colour, for eyes, and words, for everyone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mechint.comparison.findings import kind_name, p_text
from mechint.comparison.values import Group, LayerDelta
from mechint.pages.heat import HeatCell, HeatTable, shade_of
from mechint.results.describe import number

__all__ = ["delta_maps", "overlap_map"]

_NOTHING = HeatCell(text="", shade="", sure=True, told="not compared")


def delta_maps(group: Group) -> list[tuple[str, HeatTable]]:
    """By kind of site the change of the share kept: a row each entry, a column each layer, one scale for all kinds."""
    end = max((abs(one.delta_share) for one in group.layers), default=0.0) or 1.0
    kinds = dict.fromkeys(one.kind for one in group.layers)
    return [
        (kind_name(kind), _delta_map(group.base, [one for one in group.layers if one.kind == kind], end))
        for kind in kinds
    ]


def overlap_map(group: Group) -> HeatTable:
    """The Jaccard index of every two entries that can be compared; on the diagonal that of an entry's own seeds."""
    paired = {name for one in group.overlaps for name in (one.left, one.right)}
    names = [entry.name for entry in group.entries if entry.name in paired]
    cells = dict(_overlap_cells(group))
    rows = tuple((row, tuple(cells.get((row, column), _NOTHING) for column in names)) for row in names)
    return HeatTable(
        corner="Circuit \\ Circuit", columns=tuple(names), rows=rows, end="1", signed=False, intervals=False
    )


def _delta_map(base: str, deltas: Sequence[LayerDelta], end: float) -> HeatTable:
    layers = sorted({one.layer for one in deltas})
    at = {(one.entry, one.layer): one for one in deltas}
    rows = tuple(
        (entry, tuple(_delta_cell(at.get((entry, layer)), base, end) for layer in layers))
        for entry in dict.fromkeys(one.entry for one in deltas)
    )
    columns = tuple(map(str, layers))
    return HeatTable(corner="Entry \\ Layer", columns=columns, rows=rows, end=number(end), intervals=False)


def _delta_cell(one: LayerDelta | None, base: str, end: float) -> HeatCell:
    if one is None:
        return _NOTHING
    told = f"{one.site} keeps {number(one.share)}, {one.base_site} of {base} {number(one.base_share)}"
    text = number(one.delta_share, digits=2)
    return HeatCell(
        text=f"+{text}" if one.delta_share > 0 else text, shade=shade_of(one.delta_share, end), sure=True, told=told
    )


def _overlap_cells(group: Group) -> Iterator[tuple[tuple[str, str], HeatCell]]:
    for one in group.overlaps:
        cell = _shared(one.jaccard, one.chance, one.adjusted, one.spearman, "p by Holm")
        yield (one.left, one.right), cell
        yield (one.right, one.left), cell
    for entry in group.entries:
        seeds = entry.agreement
        if seeds is not None:
            cell = _shared(seeds.jaccard, seeds.chance, seeds.p, seeds.spearman, "between its own seeds, p")
            yield (entry.name, entry.name), cell


def _shared(
    jaccard: float | None, chance: float | None, p: float | None, spearman: float | None, test: str
) -> HeatCell:
    if jaccard is None:
        return HeatCell(text="", shade="", sure=True, told="both keep nothing")
    tested = "" if p is None else f", {test} {p_text(p)}"
    told = f"by chance {number(chance)}{tested}; Spearman of scores {number(spearman)}"
    return HeatCell(text=number(jaccard, digits=2), shade=shade_of(jaccard, 1.0), sure=True, told=told)
