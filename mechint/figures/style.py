"""The one look of all figures and the files that each becomes.

The look is set on each artist, so that a user's own settings are not read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text

from mechint.figures.table import FigureTable
from mechint.files import atomic_write, write_text
from mechint.results.describe import visible

__all__ = [
    "BLUE",
    "FAINT",
    "GREEN",
    "GREY",
    "INK",
    "MOST_SHAPES",
    "ORANGE",
    "drawing",
    "dress",
    "fit",
    "head",
    "plain",
    "size_ticks",
    "sparse",
    "write",
]

# Okabe and Ito's palette, whose colours people with any kind of colour vision tell apart.
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
INK, GREY, FAINT = "#222222", "#777777", "#e6e6e6"

DPI = 120
MOST_SHAPES = 4000
"""Dots that an SVG holds one by one; a layer of more is a picture in it, which any viewer can open."""

_FONT = "DejaVu Sans"
_LETTER = 0.62
"""Width of a letter of the font in font sizes, a little above its mean."""


@contextmanager
def drawing(target: Path, width: float, height: float, table: FigureTable | None = None) -> Iterator[Figure]:
    """Give an empty figure of a size in inches; when the block ends well, write it and its numbers.

    Beside the PNG ``target`` stand an SVG and, unless the figure shows no numbers, a CSV of the same name. The same
    drawing gives the same bytes: nothing in the files depends on the time or on matplotlib's version.
    """
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", edgecolor="white")
    canvas = FigureCanvasAgg(figure)
    yield figure
    with atomic_write(target) as stream:
        canvas.print_png(stream, metadata={"Software": None})  # type: ignore[no-untyped-call]
    with atomic_write(target.with_suffix(".svg")) as stream, rc_context(_SVG):
        FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    if table is not None:
        write_text(target.with_suffix(".csv"), table.as_csv())


# matplotlib takes these from its settings alone, so they are set while the file is written. Letters as outlines look
# the same wherever the file is opened.
_SVG: Any = {"svg.hashsalt": "mechint", "svg.fonttype": "path", "svg.image_inline": True, "svg.id": None}


def dress(axes: Axes, *, size: float = 8) -> None:
    """Give axes the common look: thin grey frame, quiet ticks, no frame at the top and the right."""
    axes.set_facecolor("white")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set(color=GREY, linewidth=0.6)
    axes.tick_params(colors=GREY, labelcolor=INK, labelsize=size, labelfontfamily=_FONT, width=0.6, length=2.5, pad=2)


def write(place: Figure | Axes, x: float, y: float, text: str, *, size: float = 8, **style: Any) -> Text:
    """Put text at a place of a figure or, in fractions of its box, of axes; ``$`` and other signs are not markup."""
    if isinstance(place, Axes):
        style.setdefault("transform", place.transAxes)
    style.setdefault("color", INK)
    return place.text(x, y, plain(text), fontsize=size, family=_FONT, parse_math=False, **style)


def head(figure: Figure, left: float, title: str, lines: Sequence[str]) -> None:
    """Write a title and small lines below it at the top of a figure, from ``left`` inches on."""
    width, height = (float(inches) for inches in figure.get_size_inches())
    room = width - left - 0.1
    write(figure, left / width, 1 - 0.2 / height, fit(title, room, 10), size=10, va="center", weight="bold")
    for row, line in enumerate(lines):
        write(figure, left / width, 1 - (0.41 + 0.15 * row) / height, fit(line, room, 7), size=7, va="center")


def sparse(count: int, inches: float, spacing: float) -> list[int]:
    """Positions for tick labels ``inches`` apart, a round step from each other, with room for each."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, count) if step * inches >= spacing or step >= count)
    return list(range(0, count, step))


def size_ticks(sizes: Sequence[float]) -> list[float]:
    """At most eight of the rising sizes on a log axis, no two so near that their labels would touch."""
    apart = (math.log(sizes[-1]) - math.log(sizes[0])) / 8
    ticks: list[float] = []
    for size in reversed(sizes):
        if not ticks or math.log(ticks[-1]) - math.log(size) >= apart:
            ticks.append(size)
    return ticks[::-1]


def plain(text: str) -> str:
    """The text on one line, with a question mark for each character that the font cannot draw."""
    known = get_font(findfont(_FONT)).get_charmap()
    return "".join(c if ord(c) in known else "?" for c in visible(text))


def fit(text: str, inches: float, size: float) -> str:
    """The text, shortened in its middle when it is wider than a number of inches at a font size in points."""
    room = max(int(inches * 72 / (size * _LETTER)), 5)
    line = visible(text)
    return line if len(line) <= room else f"{line[: (room - 3) // 2]}...{line[-(room - 3 - (room - 3) // 2) :]}"
