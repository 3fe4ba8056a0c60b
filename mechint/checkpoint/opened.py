"""Opening a checkpoint's file once: a regular file of bounded size that nobody changes while it is read."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, FileIO
from typing import Any

from mechint.codes import Code
from mechint.errors import CheckpointError, remedy

__all__ = ["OpenedFile", "open_unchanged", "read_small"]

_LARGEST_FILE = 32 << 30
_HEAD = 512


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenedFile:
    """One handle that everything of a file is read from, so that what was checked is what is loaded."""

    path: str
    stream: BufferedReader
    size: int
    """In bytes."""
    head: bytes
    """Up to the first 512 bytes."""

    def sha256(self) -> str:
        """Hex digest of all bytes; leaves the stream at the start."""
        self.stream.seek(0)
        digest = hashlib.file_digest(self.stream, "sha256").hexdigest()
        self.stream.seek(0)
        return digest


@contextmanager
def open_unchanged(path: str, largest: int = _LARGEST_FILE) -> Iterator[OpenedFile]:
    """Open a regular file of at most ``largest`` bytes; its stream stands at the start.

    Raises CheckpointError where it cannot be opened or read, and at the end where its size or time of change is
    another.
    """
    with _open_regular(path) as stream:
        before = _status(path, stream.fileno())
        if before.st_size > largest:
            advice = "; save the weights without the optimizer" if largest == _LARGEST_FILE else ""
            raise CheckpointError(
                f"{path}: has {before.st_size:,} bytes, and {largest:,} is the most that is read{advice}",
                code=Code.UNREADABLE_CHECKPOINT,
            )
        head = stream.read(_HEAD)
        stream.seek(0)
        yield OpenedFile(path=path, stream=stream, size=before.st_size, head=head)
        after = _status(path, stream.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise CheckpointError(
                f"{path}: changed while it was being read; wait until its writer is done",
                code=Code.UNREADABLE_CHECKPOINT,
            )


def read_small(path: str, largest: int) -> bytes:
    """All bytes of a file that must not have more than ``largest``."""
    with open_unchanged(path, largest) as file:
        return file.stream.read(largest)


class _Raw(FileIO):
    """A file that remembers how reading it failed: a disk breaks, a server goes away."""

    failure: OSError | None = None

    def readinto(self, buffer: Any, /) -> int | None:
        try:
            return super().readinto(buffer)
        except OSError as error:
            self.failure = error
            raise


@contextmanager
def _open_regular(path: str) -> Iterator[BufferedReader]:
    try:
        # Without O_NONBLOCK, opening a FIFO waits for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise _refused(path, "opened", error) from None
    try:
        if not stat.S_ISREG(_status(path, descriptor).st_mode):
            raise CheckpointError(
                f"{path}: is not a regular file; name the checkpoint itself", code=Code.UNREADABLE_CHECKPOINT
            )
        raw = _Raw(descriptor, closefd=False)
        stream: BufferedReader = BufferedReader(raw)
        with stream:
            try:
                yield stream
            except Exception:
                if raw.failure is not None:  # which zipfile and torch take for damage
                    raise _refused(path, "read", raw.failure) from None
                raise
    finally:
        os.close(descriptor)


def _status(path: str, descriptor: int) -> os.stat_result:
    try:
        return os.fstat(descriptor)
    except OSError as error:
        raise _refused(path, "read", error) from None


def _refused(path: str, what: str, error: OSError | ValueError) -> CheckpointError:
    reason, hint = (error.strerror, remedy(error)) if isinstance(error, OSError) else (None, "")
    return CheckpointError(
        f"{path}: cannot be {what}: {(reason or str(error)).lower()}{hint}", code=Code.UNREADABLE_CHECKPOINT
    )
