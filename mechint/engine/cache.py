"""Measured items of all runs, by their keys, so that nothing is measured twice.

An entry is a folder with an item's files and ``DONE``, their hashes. It appears whole, under its key, or not at all;
what is damaged is not used.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mechint.engine.stored import MEASURED, read_facts
from mechint.files import atomic_write
from mechint.results.store import DONE, damaged_files, write_done

__all__ = ["Cache", "CacheEntry", "copy_files"]

_PARTIAL = ".partial"
_FIRST = "metrics.jsonl"
_SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """One measured item that is kept."""

    folder: Path
    item: str
    """The id that it was measured under."""
    size: int
    """In bytes."""
    used: float
    """When it was last taken, in seconds since 1970."""
    damaged: bool

    @property
    def days(self) -> float:
        """Since it was last taken."""
        return max(0.0, time.time() - self.used) / _SECONDS_A_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """A folder of measured items."""

    root: Path

    def find(self, key: str) -> Path | None:
        """The entry of a key; None where there is none."""
        folder = self._folder(key)
        return folder if os.path.isfile(folder / DONE) else None

    def add(self, key: str, source: Path, names: Sequence[str]) -> None:
        """Keep some files of an item's folder under a key. Raises OSError where they cannot be."""
        folder = self._folder(key)
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{key[:8]}.", suffix=_PARTIAL))
        try:
            for name in names:
                shutil.copyfile(source / name, partial / name)
            write_done(partial)
            self.remove(folder)
            os.replace(partial, folder)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)
            if self.find(key) is None:  # else another run was faster
                raise

    def touch(self, key: str) -> None:
        """Note that an entry was taken."""
        try:
            os.utime(self._folder(key) / DONE)
        except OSError:  # a cache that may only be read from
            return

    def remove(self, folder: Path) -> None:
        """Remove an entry, if it is there, in one step for whoever looks at the same time."""
        if folder.is_dir():
            aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:8]}.", suffix=_PARTIAL))
            os.replace(folder, aside / folder.name)
            shutil.rmtree(aside, ignore_errors=True)

    def entries(self) -> Iterator[CacheEntry]:
        """Everything that is kept, each verified."""
        for done in sorted(self.root.glob(f"items/??/*/{DONE}")):
            folder = done.parent
            facts = read_facts(folder)
            yield CacheEntry(
                folder=folder,
                item="" if facts is None else str(facts["report"]["nodeid"]),
                size=sum(file.stat().st_size for file in folder.iterdir()),
                used=done.stat().st_mtime,
                damaged=facts is None or bool(damaged_files(folder)),
            )

    def collect(self, days: float) -> tuple[int, int]:
        """Remove what is damaged, what killed runs left, and what was not taken for some days: entries and bytes."""
        count, size = 0, 0
        for entry in list(self.entries()):
            if entry.damaged or entry.days >= days:
                self.remove(entry.folder)
                count, size = count + 1, size + entry.size
        for leftover in self.root.glob(f"items/??/.*{_PARTIAL}"):
            if time.time() - leftover.stat().st_mtime > _SECONDS_A_DAY:  # not that of a run at work
                shutil.rmtree(leftover, ignore_errors=True)
        return count, size

    def _folder(self, key: str) -> Path:
        return self.root / "items" / key[:2] / key


def copy_files(source: Path, target: Path) -> None:
    """Copy an entry's files, but for its ``DONE``, into an item's folder; first what tells it for one."""
    target.mkdir(parents=True, exist_ok=True)
    paths = [path for path in source.iterdir() if path.name != DONE]
    for path in sorted(paths, key=lambda path: (path.name == MEASURED, path.name != _FIRST)):
        _copy(path, target / path.name)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, atomic_write(target) as written:
        shutil.copyfileobj(read, written)
