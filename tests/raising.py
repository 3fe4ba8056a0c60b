"""Plugins that raise, as files that can be imported."""

from pathlib import Path

from mechint.engine.plugins import Listed

__all__ = ["listed", "write_raising"]

RAISING = """\
from mechint import hookimpl
from mechint.spec.options import OptionsModel

@hookimpl
def {hook}():
    raise ValueError("no more ink")
"""
OPTIONS = """
@hookimpl
def mechint_options():
    return OptionsModel
"""


def write_raising(path: Path, hook: str, *, tracker: bool) -> Path:
    """A plugin that raises in a hook; with options of its own it is a tracker, else a reporter."""
    path.write_text(RAISING.format(hook=hook) + (OPTIONS if tracker else ""))
    return path


def listed(name: str) -> Listed:
    """It, as if it were installed."""
    return Listed(name=name, distribution="other", version="1", module=name, summary="")
