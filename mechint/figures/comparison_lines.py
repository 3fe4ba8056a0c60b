"""Entries of a comparison as points and lines: faithfulness, curves, thirds of the layers, and training steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mechint.comparison.values import Entry, EntryMeasure, Group, StepPoint
from mechint.figures.style import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    drawing,
    dress,
    fit,
    head,
    plain,
    size_ticks,
    write,
)
from mechint.figures.table import IN_SHEETS

__all__ = ["draw_curves", "draw_faithfulness", "draw_steps", "draw_thirds"]

_THIRDS = ("early", "middle", "late")
_COLOURS = (BLUE, ORANGE, GREEN, "#cc79a7", "#e69f00", "#56b4e9", INK)
_DASHES = ("-", "--", ":", "-.")
_MARKERS = "osD^vP*X"
_TOP = 0.82
_LEGEND = 1.9
"""Inches right of a panel for the names of entries."""
_LOWEST, _HIGHEST = -1.0, 2.5
"""What is drawn of faithfulness at most."""


def draw_faithfulness(group: Group, target: Path) -> None:
    """Draw each entry's faithfulness with its 95 % interval, beside random circuits of its size."""
    names = [entry.name for entry in group.entries]
    left, room = 0.3 + min(max(map(len, names)) * 0.062, 2.2), 4.2
    row = min(0.26, 10.0 / len(names))
    tall = max(row * len(names), 0.8)
    width, height = left + room + 0.3, _TOP + tall + 0.5
    with drawing(target, width, height, IN_SHEETS) as figure:
        lines = (group.name, "with 95 % intervals; grey: random circuits of that size")
        head(figure, 0.2, "Faithfulness", lines)
        axes = figure.add_axes((left / width, 0.5 / height, room / width, tall / height))
        for at, entry in enumerate(group.entries):
            _draw_measure(axes, at, entry.measures.get("faithfulness"), BLUE if entry.name == group.base else INK)
            random = entry.measures.get("faithfulness_random")
            if random is not None and random.value is not None:
                axes.plot([_held(random.value)] * 2, [at - 0.3, at + 0.3], color=GREY, linewidth=1.5)
        dress(axes, size=7)
        ticks = range(0, len(names), max(1, math.ceil(0.13 / row)))
        axes.set_yticks(list(ticks), [plain(fit(names[at], 2.2, 7)) for at in ticks], parse_math=False)
        axes.set_ylim(len(names) - 0.5, -0.5)
        for level in (0.0, 1.0):
            axes.axvline(level, color=GREY, linewidth=0.8, linestyle=":")
        axes.grid(axis="x", color=FAINT, linewidth=0.6)
        axes.set_axisbelow(True)
        write(axes, 0.5, -0.36 / tall, "faithfulness", ha="center", va="center")


def draw_curves(group: Group, target: Path) -> None:
    """Draw faithfulness of the best units against size, a line an entry with a band of its 95 % intervals."""
    entries = [entry for entry in group.entries if entry.curve]
    rows = len(entries)
    width, height = 0.75 + 4.6 + 0.15 + _LEGEND, max(_TOP + 2.9 + 0.55, _TOP + 0.16 * rows + 0.3)
    with drawing(target, width, height, IN_SHEETS) as figure:
        head(figure, 0.2, "Faithfulness against size", (group.name, "bands: 95 % intervals"))
        axes = figure.add_axes((0.75 / width, (height - _TOP - 2.9) / height, 4.6 / width, 2.9 / height))
        dress(axes)
        axes.set_xscale("log")
        for at, entry in enumerate(entries):
            sizes = [point.size for point in entry.curve]
            values, low, high = (
                [_gap(getattr(point, name)) for point in entry.curve] for name in ("faithfulness", "low", "high")
            )
            colour, line, marker = _look(at)
            axes.fill_between(sizes, low, high, color=colour, alpha=0.12, linewidth=0)
            axes.plot(sizes, values, color=colour, linestyle=line, marker=marker, markersize=3, linewidth=1.3)
        sizes = sorted({point.size for entry in entries for point in entry.curve})
        ticks = size_ticks(sizes)
        axes.set_xticks(ticks, [f"{100 * size:g} %" for size in ticks])
        axes.minorticks_off()
        low_end, high_end = axes.get_ylim()
        axes.set_ylim(max(low_end, _LOWEST), min(high_end, _HIGHEST))
        for level in (0.0, 1.0):
            axes.axhline(level, color=GREY, linewidth=0.8, linestyle=":")
        write(axes, 0.5, -0.4 / 2.9, "units kept", ha="center", va="center")
        write(axes, -0.55 / 4.6, 0.5, "faithfulness", rotation=90, ha="center", va="center")
        _legend(axes, [entry.name for entry in entries])


def draw_thirds(group: Group, target: Path) -> None:
    """Draw the share of units kept in the thirds of the layers: a panel a kind, a line an entry."""
    kinds = list(dict.fromkeys(site.kind for entry in group.entries for site in entry.sites))
    panel, tall, rows = 1.9, 2.1, len(group.entries)
    width = 0.75 + len(kinds) * (panel + 0.25) + _LEGEND
    height = max(_TOP + 0.2 + tall + 0.5, _TOP + 0.16 * rows + 0.3)
    shares = [[_third_shares(entry, kind) for entry in group.entries] for kind in kinds]
    top = max((value for panel_ in shares for line in panel_ for value in line if not math.isnan(value)), default=1.0)
    with drawing(target, width, height, IN_SHEETS) as figure:
        head(figure, 0.2, "Thirds of the layers", (group.name, "share of the units kept"))
        for place, kind in enumerate(kinds):
            left = 0.75 + place * (panel + 0.25)
            bottom = (height - _TOP - 0.2 - tall) / height
            axes = figure.add_axes((left / width, bottom, panel / width, tall / height))
            dress(axes)
            for at, line in enumerate(shares[place]):
                colour, dash, marker = _look(at)
                axes.plot(range(3), line, color=colour, linestyle=dash, marker=marker, markersize=4, linewidth=1.3)
            axes.set_xticks(range(3), _THIRDS)
            axes.set_xlim(-0.3, 2.3)
            axes.set_ylim(0, top * 1.05 or 1.0)
            axes.grid(axis="y", color=FAINT, linewidth=0.6)
            axes.tick_params(labelleft=place == 0)
            write(axes, 0, 1.03, kind.upper() if len(kind) == 1 and kind != "z" else kind, size=7.5)
        _legend(axes, [entry.name for entry in group.entries])


def draw_steps(group: Group, target: Path) -> None:
    """Draw faithfulness, size and overlap with the last circuit over the steps of training."""
    panels: tuple[tuple[str, Callable[[StepPoint], float | None], str], ...] = (
        ("faithfulness", lambda point: point.faithfulness.value, BLUE),
        ("share kept", lambda point: point.share, ORANGE),
        ("Jaccard with the last", lambda point: point.jaccard, GREEN),
    )
    width, tall, gap = 6.6, 1.35, 0.25
    height = _TOP + len(panels) * (tall + gap) + 0.35
    steps = [point.step for point in group.steps]
    with drawing(target, width, height, IN_SHEETS) as figure:
        marked = "dotted line: differs from the step before beyond chance; grey: by chance"
        head(figure, 0.2, "The circuit along the training", (group.name, marked))
        for row, (label, read, colour) in enumerate(panels):
            bottom = height - _TOP - tall - row * (tall + gap)
            axes = figure.add_axes((0.85 / width, bottom / height, 5.5 / width, tall / height))
            dress(axes, size=7)
            if row == 0:
                low, high = ([_gap(end(one.faithfulness)) for one in group.steps] for end in (_low, _high))
                axes.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
            if row == 2:
                axes.plot(steps, [_gap(one.chance) for one in group.steps], color=GREY, linewidth=1.2)
            values = [_gap(read(point)) for point in group.steps]
            axes.plot(steps, values, color=colour, marker="o", markersize=3.5, linewidth=1.3)
            for point in group.steps:
                if point.changed:
                    axes.axvline(point.step, color=INK, linewidth=0.8, linestyle=":")
            axes.grid(axis="y", color=FAINT, linewidth=0.6)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{int(value):,}"))
            axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
            axes.tick_params(labelbottom=row == len(panels) - 1)
            write(axes, -0.62 / 5.5, 0.5, label, size=7, rotation=90, ha="center", va="center")
        write(axes, 0.5, -0.33 / tall, "training step", ha="center", va="center")


def _draw_measure(axes: Axes, at: int, measure: EntryMeasure | None, colour: str) -> None:
    if measure is None or measure.value is None:
        return
    if measure.low is not None and measure.high is not None:
        axes.plot([_held(measure.low), _held(measure.high)], [at, at], color=colour, linewidth=1.3)
    axes.plot(_held(measure.value), at, color=colour, marker="o", markersize=4.5, linestyle="")


def _held(value: float) -> float:
    return min(max(value, _LOWEST), _HIGHEST)


def _third_shares(entry: Entry, kind: str) -> list[float]:
    """Share kept in each third; nan where the model has no layer there."""
    found = []
    for third in _THIRDS:
        sites = [site for site in entry.sites if site.kind == kind and site.third == third]
        units = sum(site.units for site in sites)
        found.append(sum(site.kept for site in sites) / units if units else math.nan)
    return found


def _look(at: int) -> tuple[str, str, str]:
    """Colour, line and marker of a line; no two of the first 56 are alike in all of them."""
    count = len(_COLOURS)
    return _COLOURS[at % count], _DASHES[at // count % len(_DASHES)], _MARKERS[(at + at // count) % len(_MARKERS)]


def _legend(axes: Axes, names: Sequence[str]) -> None:
    """The names beside samples of their lines, right of the axes, one below another."""
    width, height = (float(inches) for inches in _inches(axes))
    for at, name in enumerate(names):
        colour, dash, marker = _look(at)
        y = 1 - (0.08 + 0.16 * at) / height
        ends = [1 + 0.12 / width, 1 + 0.38 / width]
        axes.plot(
            [*ends[:1], sum(ends) / 2, *ends[1:]], [y, y, y], color=colour, linestyle=dash, marker=marker,
            markersize=3.5, markevery=[1], linewidth=1.3, transform=axes.transAxes, clip_on=False,
        )  # fmt: skip
        write(axes, 1 + 0.45 / width, y, fit(name, _LEGEND - 0.55, 7), size=7, va="center")


def _inches(axes: Axes) -> tuple[float, float]:
    box, figure = axes.get_position(), axes.get_figure()
    assert figure is not None, "axes are on a figure"
    size = figure.get_size_inches() if isinstance(figure, Figure) else (1.0, 1.0)
    return box.width * size[0], box.height * size[1]


def _gap(value: float | None) -> float:
    return math.nan if value is None else value


def _low(measure: EntryMeasure) -> float | None:
    return measure.low


def _high(measure: EntryMeasure) -> float | None:
    return measure.high
