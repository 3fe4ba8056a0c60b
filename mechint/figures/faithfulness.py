"""Faithfulness against the size of the circuit, beside random circuits and the complement."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from mechint.figures.style import BLUE, FAINT, GREY, INK, ORANGE, drawing, dress, fit, size_ticks, write
from mechint.figures.table import Cell, FigureTable
from mechint.results.values import CurvePoint

__all__ = ["draw_faithfulness_curve"]

_WIDTH, _HEIGHT = 6.6, 3.9
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.75, 1.25, 0.55, 0.62
_LOWEST, _HIGHEST = -1.0, 2.5
"""What is drawn of the vertical axis at most."""


def draw_faithfulness_curve(
    points: Sequence[CurvePoint], found: tuple[float, float] | None, title: str, target: Path
) -> None:
    """Draw a report's curve; ``found`` is the size and faithfulness of the circuit that the method gave."""
    room = _WIDTH - _LEFT - _RIGHT
    with drawing(target, _WIDTH, _HEIGHT, _numbers(points, found)) as figure:
        write(figure, _LEFT / _WIDTH, 1 - 0.25 / _HEIGHT, fit(title, room, 10), size=10, va="center", weight="bold")
        box = (_LEFT / _WIDTH, _BOTTOM / _HEIGHT, room / _WIDTH, (_HEIGHT - _TOP - _BOTTOM) / _HEIGHT)
        axes = figure.add_axes(box)
        dress(axes)
        axes.set_xscale("log")
        sizes = [point.size for point in points]
        smallest = sizes[0] if found is None else min(sizes[0], found[0])
        axes.set_xlim(smallest / 1.15, sizes[-1] * 1.15)
        axes.set_ylim(*_range(points))
        axes.set_xticks(size_ticks(sizes), [f"{100 * size:g} %" for size in size_ticks(sizes)])
        axes.minorticks_off()
        axes.grid(axis="y", color=FAINT, linewidth=0.6)
        axes.set_axisbelow(True)
        for level in (0.0, 1.0):
            axes.axhline(level, color=GREY, linewidth=0.8, linestyle=":")
        _draw(axes, points, found)
        write(axes, 0.5, -0.48 / (_HEIGHT - _TOP - _BOTTOM), "units kept", ha="center", va="center")
        write(axes, -0.56 / room, 0.5, "faithfulness", rotation=90, ha="center", va="center")


def _numbers(points: Sequence[CurvePoint], found: tuple[float, float] | None) -> FigureTable:
    """A row a circuit: by score, random, complement and, where it has a place, the one that the method gave."""
    rows: list[tuple[Cell, ...]] = []
    for point in points:
        size = (point.size, point.units)
        rows.append(("best by score", *size, point.faithfulness, point.low, point.high))
        rows += [("random", *size, value, None, None) for value in point.random]
        rows.append(("complement", *size, point.complement, None, None))
    if found is not None:
        rows.append(("the circuit", found[0], None, found[1], None, None))
    return FigureTable(header=("circuit", "size", "units", "faithfulness", "low", "high"), rows=rows)


def _draw(axes: Axes, points: Sequence[CurvePoint], found: tuple[float, float] | None) -> None:
    sizes = [point.size for point in points]
    random = [[value for value in point.random if value is not None] for point in points]
    band = [(min(values), max(values)) if values else (math.nan, math.nan) for values in random]
    axes.fill_between(sizes, [low for low, _ in band], [high for _, high in band], color=GREY, alpha=0.25, linewidth=0)
    curves: dict[str, tuple[list[float], str, str]] = {
        "random": ([sum(values) / len(values) if values else math.nan for values in random], GREY, "-"),
        "complement": (_values(points, lambda point: point.complement), ORANGE, "--"),
        "best by score": (_values(points, lambda point: point.faithfulness), BLUE, "-"),
    }
    low, high = (_values(points, end) for end in (lambda point: point.low, lambda point: point.high))
    axes.fill_between(sizes, low, high, color=BLUE, alpha=0.2, linewidth=0)
    for values, colour, line in curves.values():
        axes.plot(sizes, values, color=colour, linestyle=line, linewidth=1.4, marker="o", markersize=3)
    _name(axes, {name: (values[-1], colour) for name, (values, colour, _) in curves.items()})
    if found is not None:
        axes.plot(*found, color=INK, marker="*", markersize=10, linestyle="", zorder=5)
        write(
            axes, found[0] * 1.12, found[1], "the circuit", transform=axes.transData, size=7, va="bottom", clip_on=True
        )


def _name(axes: Axes, ends: dict[str, tuple[float, str]]) -> None:
    """Write the curves' names beside their right ends, apart from each other."""
    bottom, top = axes.get_ylim()
    apart, last = 0.06, -math.inf
    for name, (value, colour) in sorted(ends.items(), key=lambda end: end[1][0] if end[1][0] == end[1][0] else bottom):
        place = min(max((value - bottom) / (top - bottom), 0.0), 1.0) if not math.isnan(value) else 0.0
        last = max(place, last + apart)
        write(axes, 1.02, last, name, size=7.5, color=colour, va="center")


def _values(points: Sequence[CurvePoint], read: Callable[[CurvePoint], float | None]) -> list[float]:
    return [math.nan if (value := read(point)) is None else value for point in points]


def _range(points: Sequence[CurvePoint]) -> tuple[float, float]:
    """From the lowest to the highest value drawn, within bounds, and at least from 0 to 1."""
    shown = [value for point in points for value in (point.faithfulness, point.complement, *point.random)]
    values = [0.0, 1.0, *(value for value in shown if value is not None)]
    return max(min(values), _LOWEST) - 0.05, min(max(values), _HIGHEST) + 0.05
