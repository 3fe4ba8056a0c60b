"""Maps of heads: layers downwards, heads across, a colour for each score and an outline around each kept head.

Where heads of several kinds are saved, such as those of ``z``, ``k`` and ``v``, their maps stand side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from mechint.checkpoint.masks import SiteMask, read_masks
from mechint.codes import Code
from mechint.errors import UsageError
from mechint.figures.channels import score_table
from mechint.figures.style import INK, drawing, dress, fit, head, sparse, write
from mechint.results.describe import number

__all__ = ["draw_head_map"]

Floats = NDArray[np.floating[Any]]

_LEFT, _RIGHT, _TOP, _BOTTOM, _GAP = 0.62, 0.85, 1.12, 0.48, 0.3
_NARROWEST, _LOWEST = 5.2, 2.4
"""Of the figure, so that its title and its colour bar have room."""
_ROOM = 16.0
"""Inches for the cells, across and down, at most."""
_LARGEST_CELL, _NARROWEST_MAP = 0.34, 1.15


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Map:
    """The heads of one kind; a layer that has none is left white."""

    kind: str
    layers: tuple[int, ...]
    scores: Floats
    """``[l h]``"""
    kept: NDArray[np.bool_]
    """``[l h]``"""
    there: NDArray[np.bool_]
    """``[l h]``"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Sizes in inches."""

    widths: tuple[float, ...]
    """Of the maps."""
    height: float
    """Of every map."""

    @property
    def across(self) -> float:
        return sum(self.widths) + _GAP * (len(self.widths) - 1)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the figure."""
        return max(_LEFT + self.across + _RIGHT, _NARROWEST), max(_TOP + self.height + _BOTTOM, _LOWEST)

    def box(self, number: int) -> tuple[float, float, float, float]:
        """A map's place in fractions of the figure: left, bottom, width, height."""
        width, height = self.size
        left = _LEFT + sum(self.widths[:number]) + _GAP * number
        return left / width, 1 - (_TOP + self.height) / height, self.widths[number] / width, self.height / height


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Scale:
    """From score to colour, the same in every map: from 0 or, where a score is negative, symmetric about 0."""

    norm: Normalize
    colours: str
    remark: str
    """Empty, or which scores lie beyond the ends of the scale."""

    @classmethod
    def of(cls, maps: Sequence[_Map]) -> _Scale:
        """The scale ends at the 99th percentile of the sizes."""
        scores = np.concatenate([one.scores[one.there] for one in maps])
        scores = scores[np.isfinite(scores)]
        sizes = np.abs(scores) if len(scores) else np.ones(1)
        end = float(np.quantile(sizes, 0.99, method="higher")) or float(sizes.max()) or 1.0
        signed, outside = bool((scores < 0).any()), int((sizes > end).sum())
        return cls(
            norm=Normalize(-end if signed else 0.0, end),
            colours="PuOr_r" if signed else "viridis",
            remark=f"scores beyond the colours: {outside}, the largest in size {number(float(sizes.max()))}"
            if outside
            else "",
        )

    def paint(self, scores: Floats) -> Floats:
        """Colours ``[… 3]``; black where a score is no number."""
        colours = colormaps[self.colours](self.norm(np.nan_to_num(scores, posinf=0.0, neginf=0.0)))[..., :3]
        return np.where(np.isfinite(scores)[..., None], colours, 0.0)


def draw_head_map(masks_path: Path, title: str, scores_are: str, target: Path) -> None:
    """Draw the heads of ``final_masks.pt``; kinds whose units are channels are named and not drawn."""
    sites = read_masks(str(masks_path))
    heads_only = [site for site in sites if site.scores.shape[1] == 1]
    maps = _maps(heads_only)
    if not maps:
        raise UsageError(f"{masks_path}: holds no heads; its units are channels", code=Code.UNREADABLE_RESULTS)
    others = list(dict.fromkeys(site.kind for site in sites if site.scores.shape[1] > 1))
    layout, scale = _lay_out(maps), _Scale.of(maps)
    with drawing(target, *layout.size, score_table(heads_only)) as figure:
        kept, heads = sum(int(one.kept.sum()) for one in maps), sum(int(one.there.sum()) for one in maps)
        left_out = f"; not drawn, since they are no heads: {', '.join(others)}" if others else ""
        outlined = f"{kept} of {heads} heads kept, outlined{left_out}"
        head(figure, _LEFT, title, (outlined, f"colour: {scores_are}", scale.remark))
        for place, one in enumerate(maps):
            axes = figure.add_axes(layout.box(place))
            _draw(axes, one, scale, layout.widths[place], layout.height, first=place == 0)
        _colour_bar(figure, layout, scale)


def _maps(sites: Sequence[SiteMask]) -> list[_Map]:
    """One map a kind, all over the same layers."""
    layers = sorted({site.layer for site in sites})
    return [_map(kind, layers, sites) for kind in dict.fromkeys(site.kind for site in sites)]


def _map(kind: str, layers: Sequence[int], sites: Sequence[SiteMask]) -> _Map:
    by_layer = {site.layer: site for site in sites if site.kind == kind}
    shape = (len(layers), max(len(site.scores) for site in by_layer.values()))
    scores, kept, there = np.zeros(shape), np.zeros(shape, bool), np.zeros(shape, bool)
    for row, layer in enumerate(layers):
        if (site := by_layer.get(layer)) is not None:
            heads = slice(len(site.scores))
            scores[row, heads], kept[row, heads], there[row, heads] = site.scores[:, 0], site.kept[:, 0], True
    return _Map(kind=kind, layers=tuple(layers), scores=scores, kept=kept, there=there)


def _lay_out(maps: Sequence[_Map]) -> _Layout:
    """Square cells where that leaves room for the title of a map, all of one height."""
    across = sum(one.scores.shape[1] for one in maps)
    cell = min(_LARGEST_CELL, _ROOM / across, _ROOM / len(maps[0].layers))
    widths = tuple(max(cell * one.scores.shape[1], _NARROWEST_MAP) for one in maps)
    return _Layout(widths=widths, height=cell * len(maps[0].layers))


def _draw(axes: Axes, one: _Map, scale: _Scale, width: float, height: float, *, first: bool) -> None:
    rows, columns = one.scores.shape
    colours = np.where(one.there[..., None], scale.paint(one.scores), 1.0)
    axes.imshow(colours, aspect="auto", interpolation="nearest")
    dress(axes, size=6.5)
    for spine in axes.spines.values():
        spine.set_visible(True)
    across, down = width / columns, height / rows
    for row, column in np.argwhere(one.kept):
        _outline(axes, row, column, across, down)
    axes.set_xticks(sparse(columns, across, 0.19))
    ticks = sparse(rows, down, 0.14)
    axes.set_yticks(ticks, [str(one.layers[row]) for row in ticks])
    axes.tick_params(labelleft=first)
    name = one.kind.upper() if len(one.kind) == 1 and one.kind != "z" else one.kind
    text = f"{name} · {int(one.kept.sum())}/{int(one.there.sum())} kept"
    write(axes, 0, 1 + 0.07 / height, fit(text, width, 7), size=7, va="bottom")
    write(axes, 0.5, -0.3 / height, "head", size=7, ha="center", va="center")
    if first:
        write(axes, -0.42 / width, 0.5, "layer", size=7, rotation=90, ha="center", va="center")


def _outline(axes: Axes, row: int, column: int, across: float, down: float) -> None:
    """A dark line just inside a cell of these inches and a light one within, of which one shows on any colours."""
    line = min(2.0, 9 * min(across, down))  # points
    for colour, share, points in ((INK, 0.6, line), ("white", 1.5, line / 2)):
        inset_x, inset_y = (share * line / 72 / inches for inches in (across, down))
        corner = (column - 0.5 + inset_x, row - 0.5 + inset_y)
        axes.add_patch(
            Rectangle(corner, 1 - 2 * inset_x, 1 - 2 * inset_y, fill=False, edgecolor=colour, linewidth=points)
        )


def _colour_bar(figure: Figure, layout: _Layout, scale: _Scale) -> None:
    width, height = layout.size
    tall = min(height - _TOP - 0.1, 2.6)
    low, high = float(scale.norm.vmin or 0.0), float(scale.norm.vmax or 1.0)
    left = (_LEFT + layout.across + 0.2) / width
    axes = figure.add_axes((left, 1 - (_TOP + tall) / height, 0.14 / width, tall / height))
    strip = scale.paint(np.linspace(low, high, 256)[:, None])
    axes.imshow(strip, aspect="auto", origin="lower", extent=(0, 1, low, high))
    dress(axes, size=6.5)
    for spine in axes.spines.values():
        spine.set_visible(True)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
