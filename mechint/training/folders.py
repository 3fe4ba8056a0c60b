"""Folders of weights that appear whole under their name, and only ever replace their own kind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mechint.errors import UsageError

__all__ = ["refuse_strangers", "replaced_folder"]

_TELLS_A_MODEL = "config.json"


def refuse_strangers(folder: Path) -> None:
    """Raise UsageError for a place that holds something else than a saved model, and so is not to be replaced."""
    if not folder.exists() or (folder / _TELLS_A_MODEL).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        kind = f"a folder without {_TELLS_A_MODEL}" if folder.is_dir() else "a file"
        raise UsageError(f"{folder} is {kind}, so it is not replaced by a model; choose another output_dir or name")


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside ``folder`` that takes its name, and its place, when the block ends well."""
    refuse_strangers(folder)
    place = Path(os.path.realpath(folder))
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        yield made
        if place.exists():
            place.rename(Path(scratch) / "replaced")
        made.rename(place)
