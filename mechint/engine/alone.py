"""One program at a time in a run's folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mechint.codes import Code
from mechint.errors import UsageError

__all__ = ["alone_in", "waiting"]

LOCK = ".lock"
"""In the run's folder; held by the process that writes there, and gone with it."""


@contextmanager
def alone_in(folder: Path, wait: Callable[[Path], None] = lambda _: None) -> Iterator[None]:
    """Keep other programs from writing in a run's folder; the system ends that with the process, however it ends.

    ``wait`` is called where another is at work there, before waiting for its end. A folder that is not there is
    nobody's. Raises UsageError where the folder cannot be written to.
    """
    from filelock import FileLock, Timeout

    if not folder.is_dir():
        yield
        return
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        wait(folder)
        lock.acquire()
    except OSError as error:
        raise UsageError(
            f"output_dir {str(folder)!r} cannot be written to: {error.strerror}", code=Code.OUTPUT_DIR
        ) from None
    try:
        yield
    finally:
        lock.release()


def waiting(folder: Path) -> str:
    """What to say to somebody who waits."""
    return f"another run is at work in {folder}; this one waits for its end"
