"""Every neuron's score as a dot, a column a layer: kept ones in colour, the best named, and how many each layer keeps.

Within a column neurons lie from left to right by their number. Scores spread over many orders of magnitude, so the
axis is linear about 0 and logarithmic further out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from mechint.checkpoint.masks import SiteMask, read_masks
from mechint.codes import Code
from mechint.errors import UsageError
from mechint.figures.channels import score_table
from mechint.figures.style import BLUE, FAINT, GREY, INK, MOST_SHAPES, ORANGE, drawing, dress, fit, write
from mechint.results.describe import number

__all__ = ["draw_neuron_scores"]

Floats = NDArray[np.floating[Any]]

_KIND = "mlp_post"
_NAMED = 15
"""Neurons with the best scores of all, which are listed and, where there is room, named beside their dots."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.85, 1.75, 0.98, 0.5
_PLOT, _GAP, _BARS = 3.6, 0.16, 0.75
_COLUMN = 0.8
"""Share of a layer's column that its dots spread over."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Neurons:
    """All neurons, ``[n]`` each, layer by layer."""

    layers: tuple[int, ...]
    """The layers that have neurons."""
    column: NDArray[np.intp]
    """Of each neuron, the place of its layer among these."""
    index: NDArray[np.intp]
    """Its number in its layer."""
    across: Floats
    """Where its dot lies, in columns."""
    scores: Floats
    kept: NDArray[np.bool_]

    @classmethod
    def of(cls, sites: Sequence[SiteMask]) -> _Neurons:
        counts = [site.scores.size for site in sites]
        column = np.repeat(np.arange(len(sites)), counts)
        index = np.concatenate([np.arange(count) for count in counts])
        within = (index + 0.5) / np.repeat(counts, counts) - 0.5
        return cls(
            layers=tuple(site.layer for site in sites),
            column=column,
            index=index,
            across=column + _COLUMN * within,
            scores=np.concatenate([site.scores.ravel() for site in sites]).astype(float),
            kept=np.concatenate([site.kept.ravel() for site in sites]),
        )

    def name(self, neuron: int) -> str:
        """By layer and number: ``11.340``."""
        return f"{self.layers[self.column[neuron]]}.{self.index[neuron]}"

    @property
    def best(self) -> list[int]:
        """Those with the best scores, the best first."""
        order = np.argsort(-np.nan_to_num(self.scores, nan=-np.inf, posinf=-np.inf), kind="stable")
        return [int(neuron) for neuron in order[:_NAMED] if math.isfinite(self.scores[neuron])]


def draw_neuron_scores(masks_path: Path, title: str, scores_are: str, target: Path) -> None:
    """Draw the neurons of ``final_masks.pt``, every other site left out."""
    sites = [site for site in read_masks(str(masks_path)) if site.kind == _KIND]
    if not sites:
        raise UsageError(f"{masks_path}: holds no neurons, such as {_KIND}.0", code=Code.UNREADABLE_RESULTS)
    neurons = _Neurons.of(sites)
    room = min(max(0.32 * len(sites), 3.4), 14.0)
    width, height = _LEFT + room + _RIGHT, _TOP + _PLOT + _GAP + _BARS + _BOTTOM
    with drawing(target, width, height, score_table(sites)) as figure:
        strips = figure.add_axes((_LEFT / width, 1 - (_TOP + _PLOT) / height, room / width, _PLOT / height))
        bars = figure.add_axes((_LEFT / width, _BOTTOM / height, room / width, _BARS / height))
        _head(figure, neurons, title, scores_are)
        _draw_scores(strips, neurons, room)
        _draw_counts(bars, neurons, room)
        _list_best(figure, neurons, (_LEFT + room + 0.25) / width, height)


def _head(figure: Figure, neurons: _Neurons, title: str, scores_are: str) -> None:
    width, height = figure.get_size_inches()
    left, room = _LEFT / width, width - _LEFT - 0.1
    lines = [f"{int(neurons.kept.sum()):,} of {len(neurons.kept):,} neurons kept", f"score: {scores_are}"]
    if broken := int((~np.isfinite(neurons.scores)).sum()):
        lines.append(f"scores that are no numbers, not drawn: {broken:,}")
    write(figure, left, 1 - 0.2 / height, fit(title, room, 10), size=10, va="center", weight="bold")
    for row, line in enumerate(lines):
        write(figure, left, 1 - (0.41 + 0.15 * row) / height, fit(line, room, 7), size=7, va="center")


def _draw_scores(axes: Axes, neurons: _Neurons, room: float) -> None:
    dress(axes, size=7)
    _set_scale(axes, neurons.scores)
    axes.set_xlim(-0.5, len(neurons.layers) - 0.5)
    axes.tick_params(bottom=False, labelbottom=False)
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.axhline(0, color=GREY, linewidth=0.6)
    most = int(np.bincount(neurons.column).max())
    dot = min(max(_COLUMN * room / len(neurons.layers) * 72 / most * 2, 1.1), 4.5)  # points
    for kept, colour, size in ((False, GREY, dot), (True, BLUE, max(dot, 1.6))):
        chosen = neurons.kept == kept
        dots: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": size, "markeredgewidth": 0}
        dots["rasterized"] = int(chosen.sum()) > MOST_SHAPES
        axes.plot(neurons.across[chosen], neurons.scores[chosen], color=colour, alpha=0.7 if kept else 0.4, **dots)
    best = neurons.best
    ring: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": max(dot, 1.6) + 3, "markerfacecolor": "none"}
    axes.plot(neurons.across[best], neurons.scores[best], markeredgecolor=ORANGE, markeredgewidth=0.9, **ring)
    _name_best(axes, neurons, best, room)
    write(
        axes,
        -0.66 / room,
        0.5,
        "score, linear about 0 and logarithmic beyond",
        size=7.5,
        rotation=90,
        ha="center",
        va="center",
    )


def _set_scale(axes: Axes, scores: Floats) -> None:
    """Linear up to the size that half of the scores have, logarithmic beyond."""
    finite = scores[np.isfinite(scores)]
    sizes = np.abs(finite) if len(finite) else np.ones(1)
    largest = float(sizes.max()) or 1.0
    linear = max(float(np.quantile(sizes, 0.5)), largest * 1e-5)
    axes.set_yscale("asinh", linear_width=linear)
    margin = math.asinh(largest / linear) * 0.06
    low = math.asinh(float(finite.min(initial=0.0)) / linear) - margin
    high = math.asinh(float(finite.max(initial=0.0)) / linear) + margin
    axes.set_ylim(linear * math.sinh(low), linear * math.sinh(high))
    ticks, last = [0.0], 0.0
    for power in range(math.floor(math.log10(linear)), math.ceil(math.log10(largest)) + 1):
        place = math.asinh(10.0**power / linear)
        if (place - last) / (high - low) * _PLOT >= 0.14:
            ticks += [sign * 10.0**power for sign in (-1, 1) if low <= sign * place <= high]
            last = place
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _name_best(axes: Axes, neurons: _Neurons, best: Sequence[int], room: float) -> None:
    """Write names beside dots, the best first, wherever no other name or ring is in the way."""
    places = axes.transAxes.inverted().transform(
        axes.transData.transform(np.column_stack([neurons.across[list(best)], neurons.scores[list(best)]]))
    ) * (room, _PLOT)  # inches
    taken = [(x - 0.04, y - 0.04, x + 0.04, y + 0.04) for x, y in places]
    for (x, y), neuron in zip(places, best, strict=True):
        name = neurons.name(neuron)
        length = 0.055 * len(name)
        for left, bottom in ((x + 0.06, y - 0.05), (x - 0.06 - length, y - 0.05), (x - length / 2, y + 0.06)):
            box = (left, bottom, left + length, bottom + 0.1)
            inside = left >= 0 and box[2] <= room and bottom >= 0 and box[3] <= _PLOT
            if inside and not any(_overlap(box, other) for other in taken if other[:2] != (x - 0.04, y - 0.04)):
                taken.append(box)
                write(axes, left / room, (bottom + 0.05) / _PLOT, name, size=6, va="center")
                break


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _draw_counts(axes: Axes, neurons: _Neurons, room: float) -> None:
    """How many neurons each layer keeps."""
    dress(axes, size=7)
    kept = np.bincount(neurons.column[neurons.kept], minlength=len(neurons.layers))
    axes.bar(np.arange(len(kept)), kept, width=_COLUMN, color=BLUE, linewidth=0)
    axes.set_xlim(-0.5, len(kept) - 0.5)
    axes.set_ylim(0, max(int(kept.max()), 1) * 1.1)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, len(kept)) if step * room / len(kept) >= 0.22)
    places = range(0, len(kept), step)
    axes.set_xticks(list(places), [str(neurons.layers[place]) for place in places])
    write(axes, -0.66 / room, 0.5, "kept", size=7.5, rotation=90, ha="center", va="center")
    write(axes, 0.5, -0.34 / _BARS, "layer", size=7.5, ha="center", va="center")


def _list_best(figure: Figure, neurons: _Neurons, left: float, height: float) -> None:
    """The names and scores of the best neurons, ringed in the plot."""
    width = figure.get_size_inches()[0]
    dropped = any(not neurons.kept[neuron] for neuron in neurons.best)
    for row, line in enumerate(("best scores, ringed", "in grey: dropped" if dropped else "")):
        y = 1 - (_TOP + 0.03 + 0.15 * row) / height
        write(figure, left, y, line, size=7, va="center", color=GREY if row else ORANGE)
    for row, neuron in enumerate(neurons.best):
        y, colour = 1 - (_TOP + 0.36 + 0.155 * row) / height, INK if neurons.kept[neuron] else GREY
        write(figure, left, y, neurons.name(neuron), size=7, va="center", color=colour)
        text = number(float(neurons.scores[neuron]), digits=3)
        write(figure, left + 0.62 / width, y, text, size=7, va="center", color=colour)
