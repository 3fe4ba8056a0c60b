"""Entries of a comparison as maps: what differs from the base layer by layer, and what circuits share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from mechint.comparison.values import Group, LayerDelta
from mechint.figures.style import FAINT, INK, drawing, dress, fit, head, plain, sparse, write
from mechint.figures.table import IN_SHEETS

__all__ = ["draw_deltas", "draw_overlaps"]

Floats = NDArray[np.floating[Any]]

_TOP, _GAP, _RIGHT = 0.86, 0.3, 0.85
_NARROWEST = 5.2
_LABEL = 1.5
"""Inches of an entry's name at most."""
_LETTER = 0.058
"""Inches of a letter of a tick's label."""
_ROOM = 14.0
"""Inches for the columns of all panels, at most."""
_MOST_NUMBERS = 12
"""Entries up to which each cell bears its number."""


def draw_deltas(group: Group, target: Path) -> None:
    """Draw the change of the share kept at every site against the base: a panel a kind, layers down, entries across."""
    kinds = list(dict.fromkeys(one.kind for one in group.layers))
    names = [entry.name for entry in group.entries if entry.name != group.base]
    depths = {entry.layers for entry in group.entries}
    tallest = max(depths)
    down = min(max(0.2 * tallest, 1.5), 9.0)
    column = min(0.42, _ROOM / (len(kinds) * len(names)))
    across = max(column * len(names), 1.0)
    below = 0.15 + _longest(names)
    width = max(0.7 + len(kinds) * (across + _GAP) + _RIGHT, _NARROWEST)
    height = _TOP + 0.2 + down + below
    end = max((abs(one.delta_share) for one in group.layers), default=0.0) or 1.0
    with drawing(target, width, height, IN_SHEETS) as figure:
        where = "" if len(depths) == 1 else ", at the nearest relative depth"
        lines = (group.name, f"colour: change of the share of units kept{where}")
        head(figure, 0.2, f"Layers against {group.base}", lines)
        for place, kind in enumerate(kinds):
            left = 0.7 + place * (across + _GAP)
            axes = figure.add_axes((left / width, below / height, across / width, down / height))
            rows = [one for one in group.layers if one.kind == kind]
            _draw_columns(axes, rows, group, names, end)
            _label_layers(axes, depths, down / tallest, first=place == 0)
            ticks = sparse(len(names), column, 0.14)
            axes.set_xticks(ticks, [_short(names[at]) for at in ticks], rotation=90, parse_math=False)
            write(axes, 0, 1 + 0.06 / down, kind.upper() if len(kind) == 1 and kind != "z" else kind, size=7.5)
        bar = (0.7 + len(kinds) * (across + _GAP) - _GAP + 0.15, below + down, min(down, 2.6))
        _colour_bar(figure, (width, height), bar, "PuOr_r", (-end, end))


def draw_overlaps(group: Group, target: Path) -> None:
    """Draw the Jaccard index of every pair, chance below it; on the diagonal that of an entry's own seeds."""
    paired = {name for one in group.overlaps for name in (one.left, one.right)}
    names = [entry.name for entry in group.entries if entry.name in paired]
    cell = min(0.62, 12.0 / len(names))
    side = max(cell * len(names), 1.2)
    left = below = 0.25 + _longest(names)
    width, height = max(left + side + _RIGHT, _NARROWEST), _TOP + side + below
    shared, texts = _matrix(group, names)
    with drawing(target, width, height, IN_SHEETS) as figure:
        lines = (group.name, "Jaccard index of the units kept (by chance); diagonal: between an entry's seeds")
        head(figure, 0.2, "Overlap of the circuits", lines)
        axes = figure.add_axes((left / width, below / height, side / width, side / height))
        axes.imshow(_paint(shared, "viridis", 0.0, 1.0), aspect="auto", interpolation="nearest")
        dress(axes, size=6.5)
        for spine in axes.spines.values():
            spine.set_visible(True)
        ticks = sparse(len(names), cell, 0.14)
        axes.set_xticks(ticks, [_short(names[at]) for at in ticks], rotation=90, parse_math=False)
        axes.set_yticks(ticks, [_short(names[at]) for at in ticks], parse_math=False)
        if len(names) <= _MOST_NUMBERS:
            for (row, column), text in texts.items():
                light = shared[row, column] < 0.6
                colour = "white" if light else INK
                axes.text(column, row, text, fontsize=6.5, color=colour, ha="center", va="center", linespacing=1.1)
        _colour_bar(figure, (width, height), (left + side + 0.15, below + side, min(side, 2.6)), "viridis", (0.0, 1.0))


def _draw_columns(axes: Axes, rows: Sequence[LayerDelta], group: Group, names: Sequence[str], end: float) -> None:
    """A column an entry; its layers share the height, so that equal depths lie beside each other."""
    layers = {entry.name: entry.layers for entry in group.entries}
    tall = max(layers.values())
    for one in rows:
        part = tall / layers[one.entry]
        corner = (names.index(one.entry) - 0.5, one.layer * part - 0.5)
        colour = _paint(np.array(one.delta_share), "PuOr_r", -end, end)
        axes.add_patch(Rectangle(corner, 1, part, facecolor=tuple(colour), edgecolor="none", linewidth=0))
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(tall - 0.5, -0.5)
    axes.set_facecolor(FAINT)


def _label_layers(axes: Axes, depths: set[int], row: float, *, first: bool) -> None:
    """Layers where all models have as many, relative depth where they do not."""
    face = axes.get_facecolor()
    dress(axes, size=6.5)
    axes.set_facecolor(face)
    for spine in axes.spines.values():
        spine.set_visible(True)
    tall = max(depths)
    if len(depths) == 1:
        ticks = sparse(tall, row, 0.14)
        axes.set_yticks(ticks, [str(layer) for layer in ticks])
    else:
        shares = [0.0, 0.25, 0.5, 0.75, 1.0]
        axes.set_yticks([share * tall - 0.5 for share in shares], [f"{share:g}" for share in shares])
    axes.tick_params(labelleft=first)
    if first:
        label = "layer" if len(depths) == 1 else "relative depth"
        # In inches from the axes, so that it stands clear of the ticks whatever the width.
        axes.annotate(
            label, (0, 0.5), (-32, 0), xycoords="axes fraction", textcoords="offset points",
            rotation=90, ha="center", va="center", fontsize=7, color=INK,
        )  # fmt: skip


def _matrix(group: Group, names: Sequence[str]) -> tuple[Floats, dict[tuple[int, int], str]]:
    """Jaccard indices ``[e e]``, nan where there is none, and what to write into each cell."""
    shared, texts = np.full((len(names), len(names)), np.nan), {}
    for entry in group.entries:
        if entry.name in names and entry.agreement is not None:
            at = names.index(entry.name)
            shared[at, at] = entry.agreement.jaccard
            texts[at, at] = f"{entry.agreement.jaccard:.2f}\n({entry.agreement.chance:.2f})"
    for one in group.overlaps:
        if one.jaccard is not None:
            left, right = names.index(one.left), names.index(one.right)
            for cell in ((left, right), (right, left)):
                shared[cell] = one.jaccard
                texts[cell] = f"{one.jaccard:.2f}\n({one.chance:.2f})"
    return shared, texts


def _paint(values: Floats, colours: str, low: float, high: float) -> Floats:
    """Colours ``[… 3]``; a light grey where there is no number."""
    painted = np.asarray(colormaps[colours]((np.nan_to_num(values) - low) / (high - low)))[..., :3]
    return np.where(np.isnan(values)[..., None], 0.9, painted)


def _colour_bar(
    figure: Figure,
    size: tuple[float, float],
    place: tuple[float, float, float],
    colours: str,
    ends: tuple[float, float],
) -> None:
    """A bar whose left, top and height are given in inches."""
    (width, height), (left, top, tall) = size, place
    axes = figure.add_axes((left / width, (top - tall) / height, 0.13 / width, tall / height))
    strip = _paint(np.linspace(*ends, 256)[:, None], colours, *ends)
    axes.imshow(strip, aspect="auto", origin="lower", extent=(0, 1, *ends))
    dress(axes, size=6.5)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))


def _longest(names: Sequence[str]) -> float:
    """Inches for the longest of the names."""
    return min(max(len(name) for name in names) * _LETTER + 0.1, _LABEL)


def _short(name: str) -> str:
    return plain(fit(name, _LABEL, 6.5))
