"""Writing files so that a reader, or a killed process, never meets half of one; reading them within bounds."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mechint.errors import WriteError, remedy

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "atomic_write",
    "cache_folder",
    "is_leftover",
    "read_bounded",
    "refuse_place",
    "refuse_unusual",
    "sha256_of",
    "sweep_leftovers",
    "write_bytes",
    "write_tensors",
    "write_text",
]

_PARTIAL = ".partial"
_LEFTOVER = re.compile(rf"\..+\.[a-z0-9_]{{8}}{re.escape(_PARTIAL)}")


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path`` that takes its name, synced to disk, when the block ends well.

    Raises WriteError where the file system does not let it.
    """
    try:
        with _replacing(path) as stream:
            yield stream
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = remedy(
            error,
            full="make room, or write elsewhere with --set output_dir=…",
            usual="choose another path; --set output_dir=… is that of all results",
        )
        raise WriteError(f"{path}: cannot be written: {reason}{hint}") from None


def write_bytes(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content`` in one step; a file that holds it already is left alone."""
    if os.path.isfile(path) and path.stat().st_size == len(content) and path.read_bytes() == content:
        return
    with atomic_write(path) as stream:
        stream.write(content)


def write_text(path: Path, content: str) -> None:
    """Replace ``path`` by ``content``, in UTF-8, in one step."""
    write_bytes(path, content.encode())


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, str]) -> None:
    """Write safetensors with facts as metadata; the same give the same bytes, which the library leaves to chance."""
    import numpy as np
    from safetensors.numpy import save

    arrays = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    content = save(arrays)  # which writes the memory of each as it lies there
    end = 8 + int.from_bytes(content[:8], "little")
    fields = {"__metadata__": dict(sorted(facts.items())), **json.loads(content[8:end])}
    header = json.dumps(fields, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the tensors begin at a multiple of eight
    write_bytes(path, len(header).to_bytes(8, "little") + header + content[end:])


def read_bounded(path: Path | str, largest: int) -> bytes:
    """All bytes of a regular file; OSError for any other, and for one that has more than ``largest``."""
    with _open_regular(path) as stream:
        content = stream.read(largest + 1)
    if len(content) > largest:
        raise OSError(errno.EFBIG, f"has more than {largest:,} bytes, the most that is read")
    return content


def refuse_unusual(path: Path | str, largest: int) -> None:
    """Raise OSError where ``read_bounded`` would, reading nothing: for what a library then opens itself."""
    with _open_regular(path) as stream:
        if os.fstat(stream.fileno()).st_size > largest:
            raise OSError(errno.EFBIG, f"has more than {largest:,} bytes, the most that is read")


def refuse_place(path: Path) -> None:
    """Raise OSError where no file can be written, whatever room there is: a folder, a device, a path below a file."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    # The new file would take the place of a device; of /dev/stdout, which is a link, even where that leads to a file.
    if os.path.realpath(path.parent) == "/dev" or not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "is not a regular file")


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


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    refuse_place(path)
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


@contextmanager
def _open_regular(path: Path | str) -> Iterator[IO[bytes]]:
    try:
        # Without O_NONBLOCK, opening a FIFO waits for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError:  # a NUL in the path
        raise OSError(errno.EINVAL, "is no path") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file")
        with open(descriptor, "rb", closefd=False) as stream:
            yield stream
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
