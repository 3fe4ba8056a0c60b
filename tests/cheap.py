"""What tests leave out because it costs them time and tells them nothing.

As a plugin of pytest it is for a pytest that a test starts in a process of its own.
"""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Callable
from types import CodeType
from typing import Any

import jinja2
import pytest

__all__ = ["hurry", "leave_blank"]


def pytest_configure() -> None:
    hurry(pytest.MonkeyPatch())
    leave_blank(pytest.MonkeyPatch())


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile a template once for all pages, bring no file to the disk, and seldom look for garbage in all of torch."""
    gc.set_threshold(20_000, 50, 10)
    monkeypatch.setattr(os, "fsync", lambda file: None)
    monkeypatch.setattr(jinja2.Environment, "compile", _compiled_once(jinja2.Environment.compile))


def leave_blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have figures made with all that is in them, and pictures of one pixel written: rendering costs the most."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from PIL import Image

    pixel = Image.new("L", (1, 1))
    monkeypatch.setattr(FigureCanvasAgg, "print_png", lambda self, stream, **_: pixel.save(stream, "png"))
    blank = b'<svg xmlns="http://www.w3.org/2000/svg"/>\n'
    monkeypatch.setattr(FigureCanvasSVG, "print_svg", lambda self, stream, **_: stream.write(blank))


def _compiled_once(compile_template: Callable[..., CodeType]) -> Callable[..., CodeType]:
    """The code of a template follows from its text and from settings that all pages of a kind share."""
    known: dict[Any, CodeType] = {}

    @functools.wraps(compile_template)
    def compile_once(self: jinja2.Environment, source: str, *rest: Any, **how: Any) -> CodeType:
        key = (source, self.trim_blocks, rest, *how.items())
        if key not in known:
            known[key] = compile_template(self, source, *rest, **how)
        return known[key]

    return compile_once
