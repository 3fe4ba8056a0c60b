"""Maps of effects: rows downwards, columns across, a colour for each mean effect; and effects by role along the layers.

The colours are symmetric about 0, in hues that people with any kind of colour vision tell apart. A cell whose 95 %
interval covers 0, or that has none, bears a dot. Every map's numbers stand in a CSV beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from mechint.figures.style import BLUE, FAINT, GREEN, GREY, INK, ORANGE, drawing, dress, fit, head, plain, sparse, write
from mechint.figures.table import FigureTable, effect_numbers
from mechint.results.values import EffectTable

__all__ = ["draw_effects"]

Floats = NDArray[np.floating[Any]]

_RIGHT, _TOP, _GAP = 0.75, 0.86, 0.1
_NARROWEST = 5.2
_ROOM = 15.0
"""Inches for the cells, across and down, at most."""
_CELL = (0.3, 0.22)
"""Inches of a cell across and down, where there is room."""
_LETTER = 0.058
"""Inches of a letter of a tick's label."""
_MOST_LINES = 6
_LINES = ((BLUE, "-"), (ORANGE, "-"), (GREEN, "-"), (INK, "--"), (GREY, "-"), (BLUE, ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Sizes in inches."""

    left: float
    below: float
    across: float
    down: float
    turned: bool
    """Whether the columns' labels stand upright."""

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the figure."""
        return max(self.left + self.across + _RIGHT, _NARROWEST), _TOP + self.down + self.below

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The map's place in fractions of the figure."""
        width, height = self.size
        return self.left / width, self.below / height, self.across / width, self.down / height


def draw_effects(effects: EffectTable, title: str, folder: Path) -> list[str]:
    """Draw a map, and its columns as lines where they are roles; the names of the pictures."""
    stem, table = f"effects_{effects.name}", effect_numbers(effects)
    _draw_map(effects, title, table, folder / f"{stem}.png")
    if effects.column_axis != "role" or effects.row_axis != "layer" or not 1 < len(effects.columns) <= _MOST_LINES:
        return [f"{stem}.png"]
    _draw_profile(effects, title, table, folder / f"{stem}_by_role.png")
    return [f"{stem}.png", f"{stem}_by_role.png"]


def _draw_map(effects: EffectTable, title: str, table: FigureTable, target: Path) -> None:
    means, layout = _array(effects.mean), _lay_out(effects)
    end = float(np.nanmax(np.abs(means), initial=0.0)) or 1.0
    with drawing(target, *layout.size, table) as figure:
        note = f"colour: {effects.quantity}; a dot: the 95 % interval covers 0"
        head(figure, layout.left, title, (effects.title, note))
        axes = figure.add_axes(layout.box)
        axes.imshow(_paint(means, end), aspect="auto", interpolation="nearest")
        dress(axes, size=6.5)
        _mark(axes, effects, layout)
        _label(axes, effects, layout)
        _colour_bar(figure, layout, end)


def _lay_out(effects: EffectTable) -> _Layout:
    rows, columns = len(effects.rows), len(effects.columns)
    across = max(min(_CELL[0] * columns, _ROOM), 1.6)
    down = max(min(_CELL[1] * rows, _ROOM), 1.2)
    longest = max(len(label) for label in effects.columns)
    turned = longest * _LETTER + 0.05 > across / columns
    return _Layout(
        left=0.42 + min(max(len(label) for label in effects.rows), 24) * _LETTER,
        below=0.36 + (min(longest, 24) * _LETTER if turned else 0.12),
        across=across,
        down=down,
        turned=turned,
    )


def _paint(means: Floats, end: float) -> Floats:
    """Colours ``[… 3]``; a light grey where no example has the place."""
    colours = colormaps["PuOr_r"](np.nan_to_num(means) / (2 * end) + 0.5)[..., :3]
    return np.where(np.isnan(means)[..., None], _grey(), colours)


def _grey() -> Floats:
    return np.array([int(FAINT[at : at + 2], 16) / 255 for at in (1, 3, 5)])


def _mark(axes: Axes, effects: EffectTable, layout: _Layout) -> None:
    """A dot in every cell that may be 0."""
    means, low, high = (_array(table) for table in (effects.mean, effects.low, effects.high))
    sure = (low > 0) | (high < 0)
    rows, columns = np.nonzero(~sure & ~np.isnan(means))
    across, down = layout.across / len(effects.columns), layout.down / len(effects.rows)
    axes.scatter(columns, rows, s=min(4.0, (9 * min(across, down)) ** 2), c=GREY, linewidths=0)


def _label(axes: Axes, effects: EffectTable, layout: _Layout) -> None:
    for spine in axes.spines.values():
        spine.set_visible(True)
    rows = sparse(len(effects.rows), layout.down / len(effects.rows), 0.13)
    axes.set_yticks(rows, [plain(fit(effects.rows[row], 1.7, 6.5)) for row in rows])
    spacing = 0.13 if layout.turned else 0.0
    columns = sparse(len(effects.columns), layout.across / len(effects.columns), spacing)
    labels = [plain(fit(effects.columns[column], 1.7, 6.5)) for column in columns]
    axes.set_xticks(columns, labels, rotation=90 if layout.turned else 0, parse_math=False)
    write(axes, 0.5, -(layout.below - 0.12) / layout.down, effects.column_axis, size=7, ha="center", va="center")
    place = -(layout.left - 0.14) / layout.across
    write(axes, place, 0.5, effects.row_axis, size=7, rotation=90, ha="center", va="center")


def _colour_bar(figure: Figure, layout: _Layout, end: float) -> None:
    width, height = layout.size
    tall = min(layout.down, 2.6)
    left = (layout.left + layout.across + _GAP) / width
    axes = figure.add_axes((left, (layout.below + layout.down - tall) / height, 0.13 / width, tall / height))
    strip = _paint(np.linspace(-end, end, 256)[:, None], end)
    axes.imshow(strip, aspect="auto", origin="lower", extent=(0, 1, -end, end))
    dress(axes, size=6.5)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))


def _draw_profile(effects: EffectTable, title: str, table: FigureTable, target: Path) -> None:
    """A line a role over the layers, in a band of its 95 % intervals."""
    size, left = (6.6, 3.4), 0.7
    layers = np.array([float(row) for row in effects.rows])
    with drawing(target, *size, table) as figure:
        head(figure, left, title, (effects.title, "bands: 95 % intervals"))
        axes = figure.add_axes((left / size[0], 0.48 / size[1], 4.1 / size[0], (size[1] - _TOP - 0.56) / size[1]))
        axes.axhline(0, color=GREY, linewidth=0.6)
        for column, (name, (colour, style)) in enumerate(zip(effects.columns, _LINES, strict=False)):
            means, low, high = (_array(table)[:, column] for table in (effects.mean, effects.low, effects.high))
            axes.fill_between(layers, low, high, color=colour, alpha=0.15, linewidth=0)
            axes.plot(layers, means, color=colour, linestyle=style, linewidth=1.3, label=plain(name))
        dress(axes, size=7)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        write(axes, 0.5, -0.2, effects.row_axis, size=8, ha="center", va="center")
        write(axes, -0.14, 0.5, fit(effects.quantity, 2.0, 7.5), size=7.5, rotation=90, ha="center", va="center")
        legend = axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=7, labelcolor=INK)
        for text in legend.get_texts():
            text.set_parse_math(False)


def _array(table: Sequence[Sequence[float | None]]) -> Floats:
    """Numbers ``[r c]``, nan where there is none."""
    return np.array([[np.nan if value is None else value for value in row] for row in table], dtype=np.float64)
