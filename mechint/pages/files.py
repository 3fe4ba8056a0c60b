"""The files of a run that a page shows."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Picture", "embed_pictures", "inside"]

MOST_BYTES = 500_000
"""Of all pictures in a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A PNG of an item."""

    name: str
    """Of its file."""
    content: str
    """As a ``data:`` address, or nothing where the page has no room for it."""


def embed_pictures(named: Iterable[tuple[str, str]], output_dir: Path) -> dict[str, list[Picture]]:
    """The pictures (item's id, name) by item, the first ones with their content until the page has no more room."""
    pictures: dict[str, list[Picture]] = {}
    room = MOST_BYTES
    for item, name in named:
        path, content = inside(output_dir, item, name), ""
        if path is None:
            continue
        if path.stat().st_size <= room:
            room -= path.stat().st_size
            content = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
        pictures.setdefault(item, []).append(Picture(name=name, content=content))
    return pictures


def inside(output_dir: Path, item: str, name: str) -> Path | None:
    """A file of an item; None where it is not there, or where the names, which a report states, lead elsewhere."""
    path = output_dir / item / name
    return path if path.is_file() and path.resolve().is_relative_to(output_dir.resolve()) else None
