"""Curves of a search: loss, sparsity against its target, and temperature, over all stages one after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mechint.errors import UsageError
from mechint.figures.style import BLUE, FAINT, GREEN, GREY, INK, ORANGE, drawing, dress, fit, write
from mechint.figures.table import FigureTable
from mechint.results.store import read_metrics

__all__ = ["Stage", "draw_search_curves", "read_stages"]

_WIDTH, _PANEL, _GAP = 8.0, 1.75, 0.22
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.8, 0.25, 0.62, 0.5
_LIST = 0.2
"""Height of the line that lists the stages, where it is needed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """Rows of one stage that were logged in a row."""

    name: str
    start: int
    """Where its step 0 lies on the common axis."""
    length: int
    rows: Sequence[dict[str, Any]]

    def curve(self, key: str) -> tuple[list[int], list[float]]:
        """The logged steps on the common axis and their values; a gap (NaN) where a value is no number."""
        logged = [(self.start + row["step"], row[key]) for row in self.rows if key in row]
        return [x for x, _ in logged], [math.nan if y is None else float(y) for _, y in logged]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """One quantity: the curves that share its axes, each key with its colour, line and word in the legend."""

    label: str
    curves: tuple[tuple[str, str, str, str], ...]
    range: tuple[float, float] | None = None
    """Of the vertical axis; None follows the values."""


_PANELS = (
    _Panel(label="loss", curves=(("loss", BLUE, "-", "loss"),)),
    _Panel(
        label="sparsity",
        curves=(("sparsity", ORANGE, "-", "reached"), ("target_sparsity", INK, "--", "target")),
        range=(-0.03, 1.03),
    ),
    _Panel(label="temperature", curves=(("temperature", GREEN, "-", "temperature"),)),
)


def draw_search_curves(metrics_path: Path, title: str, target: Path) -> None:
    """Draw ``metrics.jsonl``; a panel whose quantity no stage logged is left out."""
    stages = read_stages(metrics_path)
    panels = [panel for panel in _PANELS if any(_has(stage, panel) for stage in stages)]
    names, listed = _stage_names(stages)
    top = _TOP + (_LIST if listed else 0)
    height = top + max(len(panels), 1) * (_PANEL + _GAP) - _GAP + _BOTTOM
    room = _WIDTH - _LEFT - _RIGHT
    with drawing(target, _WIDTH, height, _numbers(stages)) as figure:
        write(figure, _LEFT / _WIDTH, 1 - 0.22 / height, fit(title, room, 10), size=10, va="center", weight="bold")
        if not panels:
            write(figure, 0.5, 0.4, "the search logged no curves", ha="center", color=GREY)
        for row, panel in enumerate(panels):
            bottom = height - top - _PANEL - row * (_PANEL + _GAP)
            axes = figure.add_axes((_LEFT / _WIDTH, bottom / height, room / _WIDTH, _PANEL / height))
            _draw_panel(axes, panel, stages, last=row == len(panels) - 1)
            if row == 0:
                _write_names(axes, stages, names)
        write(figure, _LEFT / _WIDTH, 1 - 0.43 / height, fit(listed, room, 7), size=7, va="center")


def read_stages(path: Path) -> list[Stage]:
    """Read ``metrics.jsonl`` and lay its stages end to end, in the order in which they were logged."""
    stages: list[Stage] = []
    rows: list[dict[str, Any]] = []
    for row in read_metrics(path):
        if not isinstance(row.get("stage"), str) or type(row.get("step")) is not int:
            raise UsageError(f"{path}: a row has no stage or no step: {str(row)[:60]}")
        # A step that does not rise begins the same stage anew, as when two candidates are searched one after another.
        if rows and (row["stage"] != rows[-1]["stage"] or row["step"] <= rows[-1]["step"]):
            stages.append(_stage(rows, stages))
            rows = []
        rows.append(row)
    return [*stages, _stage(rows, stages)] if rows else stages


def _stage(rows: list[dict[str, Any]], before: Sequence[Stage]) -> Stage:
    start = before[-1].start + before[-1].length if before else 0
    return Stage(name=str(rows[0]["stage"]), start=start, length=rows[-1]["step"] + 1, rows=rows)


def _numbers(stages: Sequence[Stage]) -> FigureTable:
    """A row a logged value, at its step on the common axis."""
    keys = [key for panel in _PANELS for key, *_ in panel.curves]
    rows = [
        (stage.name, step, key, value)
        for stage in stages
        for key in keys
        for step, value in zip(*stage.curve(key), strict=True)
    ]
    return FigureTable(header=("stage", "step", "quantity", "value"), rows=rows)


def _has(stage: Stage, panel: _Panel) -> bool:
    return any(key in row for row in stage.rows for key, *_ in panel.curves)


def _draw_panel(axes: Axes, panel: _Panel, stages: Sequence[Stage], *, last: bool) -> None:
    end = stages[-1].start + stages[-1].length
    dress(axes, size=7)
    axes.set_xlim(-0.5, end - 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, steps=[1, 2, 5, 10]))
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    for stage in stages[1:]:
        axes.axvline(stage.start - 0.5, color=GREY, linewidth=0.7, linestyle=":")
    for key, colour, line, _ in panel.curves:
        for stage in stages:
            steps, values = stage.curve(key)
            # A short stage is a few points, and a single one makes no line.
            marker = "o" if len(steps) <= 12 else ""
            width = 2.0 if line == "-" and len(panel.curves) > 1 else 1.2
            axes.plot(steps, values, color=colour, linestyle=line, linewidth=width, marker=marker, markersize=2.5)
    if panel.range is not None:
        axes.set_ylim(panel.range)
    write(axes, -0.55 / (_WIDTH - _LEFT - _RIGHT), 0.5, panel.label, rotation=90, ha="center", va="center")
    _legend(axes, panel)
    axes.tick_params(labelbottom=last)
    if last:
        write(axes, 0.5, -0.34 / _PANEL, "step, over all stages", ha="center", va="center")


def _legend(axes: Axes, panel: _Panel) -> None:
    """Words in the colours of their lines, over the panel's right end, where it has more than one line."""
    if len(panel.curves) < 2:
        return
    for place, (_, colour, line, word) in enumerate(reversed(panel.curves)):
        sample = "- - " if line == "--" else "— "
        write(axes, 1 - 0.1 * place, 1.02, sample + word, size=7, color=colour, ha="right", va="bottom")


def _stage_names(stages: Sequence[Stage]) -> tuple[list[str], str]:
    """What to write over each stage: its name or, where one is too short for that, numbers and a list of the names."""
    names = [stage.name for stage in stages]
    if all(fit(name, width, 7) == name for name, width in zip(names, _widths(stages), strict=True)):
        return names, ""
    numbers = [str(number) for number in range(1, len(names) + 1)]
    return numbers, ",  ".join(f"{number}: {name}" for number, name in zip(numbers, names, strict=True))


def _write_names(axes: Axes, stages: Sequence[Stage], names: Sequence[str]) -> None:
    """Write each name over the middle of its stage, unless even a number is wider than the stage."""
    end = stages[-1].start + stages[-1].length
    for name, width, stage in zip(names, _widths(stages), stages, strict=True):
        if fit(name, width, 7) == name and width > 0.1 * len(name):
            middle = (stage.start + stage.length / 2) / end
            write(axes, middle, 1.03, name, size=7, ha="center", va="bottom", color=GREY)


def _widths(stages: Sequence[Stage]) -> list[float]:
    """Width of each stage in inches."""
    end = stages[-1].start + stages[-1].length if stages else 1
    return [stage.length / end * (_WIDTH - _LEFT - _RIGHT) for stage in stages]
