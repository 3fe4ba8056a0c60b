"""Quantities along the layers: what attention and MLPs do as bars, and what a lens shows of the answer as lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from mechint.figures.style import BLUE, GREEN, GREY, INK, ORANGE, drawing, dress, fit, head, plain, write
from mechint.figures.table import FigureTable, effect_numbers
from mechint.results.values import EffectTable

__all__ = ["draw_layers", "draw_lens"]

Floats = NDArray[np.floating[Any]]

_COLOURS = (BLUE, ORANGE, GREEN)
_HEIGHT, _LEFT, _RIGHT, _TOP, _BELOW = 3.4, 0.75, 1.1, 0.72, 0.5
_MOST_TICKS = 32
_SHORTEST, _LONGEST, _LAYER = 4.2, 12.0, 0.3
"""Inches of the axes, at least and at most, and of a layer where there is room."""


def draw_layers(effects: EffectTable, title: str, target: Path) -> None:
    """A bar for each column of a map in each layer, with its 95 % interval."""
    layers, count = np.arange(len(effects.rows)), len(effects.columns)
    across = float(np.clip(_LAYER * len(layers), _SHORTEST, _LONGEST))
    size = (_LEFT + across + _RIGHT, _HEIGHT)
    with drawing(target, *size, effect_numbers(effects)) as figure:
        head(figure, _LEFT, title, (effects.title, "lines: 95 % intervals"))
        axes = figure.add_axes(_box(size, across, _TOP, _HEIGHT - _TOP - _BELOW))
        axes.axhline(0, color=GREY, linewidth=0.6)
        for column, (name, colour) in enumerate(zip(effects.columns, _COLOURS, strict=False)):
            means, low, high = _column(effects, column)
            places = layers + 0.8 * ((column + 0.5) / count - 0.5)
            axes.bar(places, means, 0.8 / count, color=colour, label=plain(name))
            axes.vlines(places, low, high, color=INK, linewidth=0.7)
        _finish(axes, effects.quantity, effects.rows)
        axes.set_xlim(-0.6, len(layers) - 0.4)
        write(axes, 0.5, -0.36 / (_HEIGHT - _TOP - _BELOW), effects.row_axis, size=7.5, ha="center", va="center")
        legend = axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=7, labelcolor=INK)
        for text in legend.get_texts():
            text.set_parse_math(False)


def draw_lens(probability: EffectTable, rank: EffectTable, title: str, target: Path) -> None:
    """The answer's probability and, on a log axis below it, its rank, in bands of their 95 % intervals."""
    layers = np.arange(len(probability.rows))
    across = float(np.clip(_LAYER * len(layers), _SHORTEST, _LONGEST))
    down, between = 1.35, 0.2
    size = (_LEFT + across + 0.2, _TOP + 2 * down + between + _BELOW)
    with drawing(target, *size, _lens_numbers(probability, rank)) as figure:
        head(figure, _LEFT, title, (probability.title.removeprefix("probability of "), "bands: 95 % intervals"))
        upper = figure.add_axes(_box(size, across, _TOP, down))
        lower = figure.add_axes(_box(size, across, _TOP + down + between, down))
        for axes, effects, colour in ((upper, probability, BLUE), (lower, rank, ORANGE)):
            means, low, high = _column(effects, 0)
            axes.fill_between(layers, low, high, color=colour, alpha=0.15, linewidth=0)
            axes.plot(layers, means, color=colour, linewidth=1.3, marker="o", markersize=2.5)
            _finish(axes, f"mean {effects.quantity}", effects.rows)
            axes.set_xlim(-0.4, len(layers) - 0.6)
        upper.set_ylim(0, max(1e-9, 1.08 * float(np.nanmax(_column(probability, 0)))))
        upper.set_xticklabels([])
        _show_ranks(lower, _column(rank, 0))
        write(lower, 0.5, -0.36 / down, rank.row_axis, size=7.5, ha="center", va="center")


def _lens_numbers(probability: EffectTable, rank: EffectTable) -> FigureTable:
    rows = [
        (layer, one.quantity, *numbers)
        for one in (probability, rank)
        for layer, _, *numbers in effect_numbers(one).rows
    ]
    return FigureTable(header=(probability.row_axis, "quantity", "mean", "low", "high", "examples"), rows=rows)


def _show_ranks(axes: Axes, numbers: Floats) -> None:
    """A log axis with the best rank, 1, at its top."""
    axes.set_yscale("log")
    axes.set_ylim(1.25 * max(2.0, float(np.nanmax(numbers))), 0.85)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(FuncFormatter(lambda _value, _: ""))


def _finish(axes: Axes, quantity: str, rows: Sequence[str]) -> None:
    dress(axes, size=7)
    step = -(-len(rows) // _MOST_TICKS)
    axes.set_xticks(range(0, len(rows), step), rows[::step])
    place = -0.55 * 72 / axes.get_window_extent().width * axes.figure.dpi / 72
    write(axes, place, 0.5, fit(quantity, 2.0, 7.5), size=7.5, rotation=90, ha="center", va="center")


def _column(effects: EffectTable, column: int) -> Floats:
    """Means and the ends of the intervals of a column ``[3 l]``, nan where there is none."""
    tables = (effects.mean, effects.low, effects.high)
    return np.array(
        [[np.nan if row[column] is None else row[column] for row in table] for table in tables], dtype=np.float64
    )


def _box(size: tuple[float, float], across: float, top: float, down: float) -> tuple[float, float, float, float]:
    """Axes ``top`` inches below the upper edge, in fractions of the figure."""
    width, height = size
    return _LEFT / width, 1 - (top + down) / height, across / width, down / height
