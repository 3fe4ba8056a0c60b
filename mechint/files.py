"""Writing files so that a reader, or a killed process, never meets half of one."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["atomic_write", "cache_folder", "is_leftover", "sha256_of", "sweep_leftovers", "write_bytes", "write_text"]

_PARTIAL = ".partial"
_LEFTOVER = re.compile(rf"\..+\.[a-z0-9_]{{8}}{re.escape(_PARTIAL)}")


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path`` that takes its name, synced to disk, when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PARTIAL)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp gives 0600; results are for everyone who may read the folder.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content`` in one step; a file that holds it already is left alone."""
    if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
        return
    with atomic_write(path) as stream:
        stream.write(content)


def write_text(path: Path, content: str) -> None:
    """Replace ``path`` by ``content``, in UTF-8, in one step."""
    write_bytes(path, content.encode())


def cache_folder() -> Path:
    """Where what can be computed again is kept: what ``MECHINT_CACHE_DIR`` names, else the user's cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("MECHINT_CACHE_DIR") or user_cache_path("mechint")).expanduser()


def sweep_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed processes left in a folder; call it where nobody writes there."""
    for path in folder.iterdir():
        if is_leftover(path):
            path.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """Whether it is a file that was never finished, of a process at work or of one that was killed."""
    return bool(_LEFTOVER.fullmatch(path.name)) and path.is_file()


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
