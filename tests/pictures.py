"""Pictures left blank, for tests that look at everything else: rendering is most of a tiny model's run."""

from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from PIL import Image

__all__ = ["leave_blank"]


def leave_blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have figures made of all that is to be in them, and files of one pixel written."""
    pixel = Image.new("L", (1, 1))
    monkeypatch.setattr(FigureCanvasAgg, "print_png", lambda self, stream, **_: pixel.save(stream, "png"))
    blank = '<svg xmlns="http://www.w3.org/2000/svg"/>\n'
    monkeypatch.setattr(FigureCanvasSVG, "print_svg", lambda self, stream, **_: stream.write(blank.encode()))
