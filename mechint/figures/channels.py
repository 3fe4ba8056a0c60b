"""Heatmaps of every channel's score, kept channels in colour and dropped ones faded.

One panel a site, layers downwards, kinds (K, V) side by side; deep models go on in further columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from mechint.checkpoint.masks import SiteMask, read_masks
from mechint.figures.style import drawing, dress, fit, write
from mechint.figures.table import FigureTable
from mechint.results.describe import number

__all__ = ["draw_channel_scores", "score_table"]

Floats = NDArray[np.floating[Any]]

_FOLD = 128
"""A site of one long row, such as an MLP's neurons, is folded into rows when it has more units than this."""
_MARGIN = {"left": 0.62, "right": 1.0, "top": 0.56, "bottom": 0.4}
_GAP_X, _GAP_Y, _GAP_GROUPS = 0.2, 0.28, 0.25
_MAX_WIDTH, _MAX_HEIGHT = 22.0, 26.0
_GREY, _HUE = 0.76, 0.15
"""Dropped channels are this grey, with this share of the colour that their score would have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """Where the panels go, in inches."""

    rows: int
    groups: int
    kinds: int
    """Columns in a group."""
    panel_width: float
    panel_height: float

    @property
    def width(self) -> float:
        panels = self.groups * self.kinds * (self.panel_width + _GAP_X) - _GAP_X
        return _MARGIN["left"] + panels + (self.groups - 1) * _GAP_GROUPS + _MARGIN["right"]

    @property
    def height(self) -> float:
        return _MARGIN["top"] + self.rows * (self.panel_height + _GAP_Y) + _MARGIN["bottom"]

    def box(self, row: int, group: int, kind: int) -> tuple[float, float, float, float]:
        """The panel's place in fractions of the figure: left, bottom, width, height."""
        column = group * self.kinds + kind
        left = _MARGIN["left"] + column * (self.panel_width + _GAP_X) + group * _GAP_GROUPS
        top = _MARGIN["top"] + _GAP_Y + row * (self.panel_height + _GAP_Y)
        bottom = self.height - top - self.panel_height
        return (left / self.width, bottom / self.height, self.panel_width / self.width, self.panel_height / self.height)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Scale:
    """From score to colour, the same in every panel."""

    norm: Normalize
    colours: str
    remark: str
    """Empty, or which scores lie beyond the ends of the scale."""

    def paint(self, scores: Floats, kept: NDArray[np.bool_]) -> Floats:
        """Colours ``[heads width 3]``: full where kept, mostly grey where dropped, black where a score is no number."""
        colours = colormaps[self.colours](self.norm(np.nan_to_num(scores, posinf=0.0, neginf=0.0)))[..., :3]
        colours = np.where(kept[..., None], colours, _HUE * colours + (1 - _HUE) * _GREY)
        return np.where(np.isfinite(scores)[..., None], colours, 0.0)


def draw_channel_scores(masks_path: Path, title: str, scores_are: str, target: Path) -> None:
    """Draw every site of ``final_masks.pt``, on one colour scale that says what the scores are."""
    sites = read_masks(str(masks_path))
    kinds = list(dict.fromkeys(site.kind for site in sites))
    layers = sorted({site.layer for site in sites})
    groups = max(1, round(math.sqrt(len(layers) / 3)))
    rows = math.ceil(len(layers) / groups)
    grid = _layout(sites, rows=rows, groups=groups, kinds=len(kinds))
    scale = _scale(sites)
    with drawing(target, grid.width, grid.height, score_table(sites)) as figure:
        _head(figure, grid, title, sites, scale.remark)
        for site in sites:
            group, row = divmod(layers.index(site.layer), rows)
            first = group == 0 and site.kind == kinds[0]
            last = row == rows - 1 or site.layer == layers[-1]
            axes = figure.add_axes(grid.box(row, group, kinds.index(site.kind)))
            _panel(axes, site, scale, grid, labels=(first, last))
        _colour_bars(figure, grid, scale, scores_are)


def score_table(sites: Sequence[SiteMask]) -> FigureTable:
    """A row a unit, with its place in ``[heads width]`` of its site."""
    rows = [
        (site.layer, site.kind, head, channel, int(site.kept[head, channel]), float(score))
        for site in sites
        for (head, channel), score in np.ndenumerate(site.scores)
    ]
    return FigureTable(header=("layer", "kind", "head", "channel", "kept", "score"), rows=rows)


def _layout(sites: list[SiteMask], *, rows: int, groups: int, kinds: int) -> _Grid:
    """Panels as wide and high as their cells like, within the largest figure that stays handy."""
    shapes = [_folded(site.scores).shape for site in sites]
    cells_down, cells_across = max(shape[0] for shape in shapes), max(shape[1] for shape in shapes)
    columns = groups * kinds
    room_x = (_MAX_WIDTH - _MARGIN["left"] - _MARGIN["right"] - groups * _GAP_GROUPS) / columns - _GAP_X
    room_y = (_MAX_HEIGHT - _MARGIN["top"] - _MARGIN["bottom"]) / rows - _GAP_Y
    width = min(max(cells_across * 0.06, 2.1), 4.2 if columns <= 4 else 2.8, max(room_x, 0.3))
    height = min(max(cells_down * 0.12, 0.4), 1.8, max(room_y, 0.12))
    return _Grid(rows=rows, groups=groups, kinds=kinds, panel_width=width, panel_height=height)


def _scale(sites: list[SiteMask]) -> _Scale:
    """From 0 or, where a score is negative, symmetric about 0; its end is the 99th percentile of the sizes."""
    scores = np.concatenate([site.scores.ravel() for site in sites])
    scores = scores[np.isfinite(scores)]
    sizes = np.abs(scores) if len(scores) else np.ones(1)
    end = float(np.quantile(sizes, 0.99, method="higher")) or float(sizes.max()) or 1.0
    signed = bool((scores < 0).any())
    outside, largest = int((sizes > end).sum()), number(float(sizes.max()))
    return _Scale(
        norm=Normalize(-end if signed else 0.0, end),
        colours="PuOr_r" if signed else "viridis",
        remark=f"{outside} scores are beyond the colours, the largest in size {largest}" if outside else "",
    )


def _head(figure: Figure, grid: _Grid, title: str, sites: list[SiteMask], remark: str) -> None:
    kept, units = sum(int(site.kept.sum()) for site in sites), sum(site.kept.size for site in sites)
    left, room = _MARGIN["left"] / grid.width, grid.width - 2 * _MARGIN["left"]
    write(figure, left, 1 - 0.18 / grid.height, fit(title, room, 10), size=10, va="center", weight="bold")
    lines = (f"{kept} of {units} channels kept, the others faded to grey", remark)
    for number_of_line, line in enumerate(lines):
        top = 0.38 + 0.14 * number_of_line
        write(figure, left, 1 - top / grid.height, fit(line, room, 7), size=7, va="center")


def _panel(axes: Axes, site: SiteMask, scale: _Scale, grid: _Grid, *, labels: tuple[bool, bool]) -> None:
    """One site; heads are labelled in the first column and channels in the last row only, as ``labels`` says."""
    scores, kept = _folded(site.scores), _folded(site.kept.astype(float)) > 0.5
    rows, columns = scores.shape
    padding = np.isnan(_folded(np.zeros_like(site.scores)))
    pixels = np.where(padding[..., None], 1.0, scale.paint(scores, kept))
    axes.imshow(pixels, aspect="auto", interpolation="nearest" if columns <= 256 else "antialiased", origin="upper")
    dress(axes, size=6)
    for spine in axes.spines.values():
        spine.set_visible(True)
    folded = rows != len(site.scores)
    down = _sparse(rows, grid.panel_height, 0.14)
    axes.set_yticks(down, [str(row * columns if folded else row) for row in down])
    axes.set_xticks(_sparse(columns, grid.panel_width, 0.3))
    first_column, last_row = labels
    axes.tick_params(labelleft=first_column, labelbottom=last_row)
    centred: dict[str, Any] = {"size": 6, "ha": "center", "va": "center"}
    if first_column:
        write(axes, -0.36 / grid.panel_width, 0.5, "row from" if folded else "head", rotation=90, **centred)
    if last_row:
        write(axes, 0.5, -0.24 / grid.panel_height, "channel of row" if folded else "channel", **centred)
    write(axes, 0, 1 + 0.05 / grid.panel_height, fit(site.title, grid.panel_width + _GAP_X, 6.5), size=6.5, va="bottom")


def _folded(values: Floats) -> Floats:
    """The values as rows; one long row becomes several of equal length, the last filled up with NaN."""
    if len(values) > 1 or values.shape[1] <= _FOLD:
        return values
    across = _FOLD if values.shape[1] > 4 * _FOLD else 64
    down = math.ceil(values.shape[1] / across)
    filled = np.full(down * across, np.nan)
    filled[: values.shape[1]] = values[0]
    return filled.reshape(down, across)


def _sparse(count: int, inches: float, spacing: float) -> list[int]:
    """Positions for tick labels, a round step apart, with room for each."""
    wanted = max(count * spacing / inches, 1)
    step = 2 ** math.ceil(math.log2(wanted))
    return list(range(0, count, step))


def _colour_bars(figure: Figure, grid: _Grid, scale: _Scale, label: str) -> None:
    """Two strips beside each other on one axis: kept in colour, dropped faded."""
    height = min(grid.height - 1.6, 3.2)
    bottom, left = (grid.height - height) / 2 / grid.height, (grid.width - _MARGIN["right"] + 0.2) / grid.width
    steps = np.linspace(scale.norm.vmin or 0.0, scale.norm.vmax or 1.0, 256)[:, None]
    for strip_number, kept in enumerate((False, True)):
        place = (left + strip_number * 0.12 / grid.width, bottom, 0.12 / grid.width, height / grid.height)
        axes = figure.add_axes(place)
        strip = scale.paint(steps, np.full(steps.shape, kept))
        axes.imshow(strip, aspect="auto", origin="lower", extent=(0, 1, float(steps[0, 0]), float(steps[-1, 0])))
        dress(axes, size=6)
        axes.set_xticks([])
        axes.yaxis.tick_right()
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
        axes.tick_params(right=kept, labelright=kept)
        for spine in axes.spines.values():
            spine.set_visible(True)
        write(axes, 0.5, -0.04 / height, "kept" if kept else "dropped", size=6, rotation=90, ha="center", va="top")
    label = fit(label, grid.height - 0.2, 7)
    write(figure, 1 - 0.13 / grid.width, 0.5, label, size=7, rotation=90, ha="center", va="center")
