"""Faithfulness against the size of the circuit, as the lines and words of an SVG in the page itself.

It takes the page's colours, light or dark, and is a few kilobytes where a picture would be fifty.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mechint.results.values import CurvePoint, ItemReport

__all__ = ["CurvePlot", "Line", "Tick", "plot_curve"]

WIDTH, HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 110, 14, 40
_LOWEST, _HIGHEST = -1.0, 2.5
"""What is drawn of the vertical axis at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A label at a place along an axis, in units of the drawing."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A curve: the ``d`` of its path, its points, and where its name stands."""

    name: str
    shade: str
    """Class of its colour and dashes."""
    path: str
    points: tuple[tuple[float, float], ...]
    label_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePlot:
    """Everything that the template draws."""

    width: int
    height: int
    left: int
    right: int
    """Where the plot ends; the names of the lines stand beyond."""
    bottom: float
    across: tuple[Tick, ...]
    down: tuple[Tick, ...]
    lines: tuple[Line, ...]
    band: str
    """``d`` of the 95 % interval of the best units."""
    found: tuple[float, float] | None
    """The circuit that the method gave."""


@dataclass(frozen=True, slots=True)
class _Axes:
    smallest: float
    largest: float
    low: float
    high: float

    def x(self, size: float) -> float:
        share = (math.log(size) - math.log(self.smallest)) / (math.log(self.largest) - math.log(self.smallest))
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        shown = min(max(value, self.low), self.high)
        return round(_TOP + (self.high - shown) / (self.high - self.low) * (HEIGHT - _TOP - _BOTTOM), 1)


def plot_curve(report: ItemReport) -> CurvePlot:
    """The report's curve; a value without meaning leaves a gap."""
    points, found = report.curve, _found(report)
    axes = _axes(points, found)
    values: dict[str, tuple[str, list[float | None]]] = {
        "best by score": ("best", [point.faithfulness for point in points]),
        "random": ("random", [_mean(point.random) for point in points]),
        "complement": ("complement", [point.complement for point in points]),
    }
    ends = _apart({name: axes.y(column[-1] or 0.0) for name, (_, column) in values.items()})
    return CurvePlot(
        width=WIDTH,
        height=HEIGHT,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        bottom=HEIGHT - _BOTTOM,
        across=tuple(Tick(at=axes.x(size), text=f"{100 * size:g} %") for size in _ticks(axes, points)),
        down=tuple(Tick(at=axes.y(value), text=f"{value:g}") for value in _levels(axes)),
        lines=tuple(_line(axes, name, shade, points, column, ends) for name, (shade, column) in values.items()),
        band=_band(axes, points),
        found=None if found is None else (axes.x(found[0]), axes.y(found[1])),
    )


def _found(report: ItemReport) -> tuple[float, float] | None:
    """Size and faithfulness of the circuit, where it keeps something and has a faithfulness."""
    faithfulness, sparsity = report.measures.get("faithfulness"), report.measures.get("sparsity")
    return None if faithfulness is None or sparsity is None or sparsity >= 1 else (1 - sparsity, faithfulness)


def _axes(points: Sequence[CurvePoint], found: tuple[float, float] | None) -> _Axes:
    sizes = [point.size for point in points] + ([] if found is None else [found[0]])
    shown = [value for point in points for value in (point.faithfulness, point.complement, _mean(point.random))]
    values = [0.0, 1.0, *(value for value in shown if value is not None)]
    return _Axes(min(sizes) / 1.1, max(sizes) * 1.1, max(min(values), _LOWEST), min(max(values), _HIGHEST))


def _mean(values: Iterable[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def _ticks(axes: _Axes, points: Sequence[CurvePoint]) -> list[float]:
    """Sizes from the largest down whose labels do not touch."""
    kept: list[float] = []
    for size in sorted((point.size for point in points), reverse=True):
        if not kept or axes.x(kept[-1]) - axes.x(size) > 48:
            kept.append(size)
    return kept[::-1]


def _levels(axes: _Axes) -> list[float]:
    step = 0.25 if axes.high - axes.low <= 1.5 else 0.5
    return [step * place for place in range(math.ceil(axes.low / step), math.floor(axes.high / step) + 1)]


def _apart(ends: dict[str, float]) -> dict[str, float]:
    """Places for the names beside the lines' ends, none over another."""
    placed: dict[str, float] = {}
    last = math.inf
    for name, end in sorted(ends.items(), key=lambda entry: -entry[1]):
        last = placed[name] = min(end, last - 15)
    return placed


def _line(
    axes: _Axes,
    name: str,
    shade: str,
    points: Sequence[CurvePoint],
    values: Sequence[float | None],
    ends: dict[str, float],
) -> Line:
    parts, places, open_ = [], [], False
    for point, value in zip(points, values, strict=True):
        if value is not None:
            places.append((axes.x(point.size), axes.y(value)))
            parts.append(f"{'L' if open_ else 'M'}{places[-1][0]} {places[-1][1]}")
        open_ = value is not None
    return Line(name=name, shade=shade, path="".join(parts), points=tuple(places), label_at=ends[name])


def _band(axes: _Axes, points: Sequence[CurvePoint]) -> str:
    there = [
        (axes.x(p.size), axes.y(p.low), axes.y(p.high)) for p in points if p.low is not None and p.high is not None
    ]
    corners = [f"{x} {high}" for x, _, high in there] + [f"{x} {low}" for x, low, _ in reversed(there)]
    return f"M{'L'.join(corners)}Z" if len(there) > 1 else ""
