"""How a run measures: where its processes come from and go, and what its signals mean."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mechint.cli.ask import say_waiting
from mechint.files import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

    from mechint.engine.run import Way

__all__ = ["measuring"]


@contextmanager
def measuring(workers: int, cache_dir: Path | None, *, in_process: bool, force: bool) -> Iterator[Way]:
    """How items are measured in this block; its processes end with it."""
    from mechint.engine.cache import Cache
    from mechint.engine.pool import Pool, threads_each
    from mechint.engine.run import Way, measure_here

    in_process = in_process or os.name != "posix"  # elsewhere a socket cannot be handed down
    pool = Pool(workers)
    way = Way(
        execute=measure_here if in_process else pool.execute,
        cache=Cache(root=cache_dir or cache_folder()),
        force=force,
        threads=threads_each(1 if in_process else workers),
        wait=say_waiting,
    )
    try:
        with _ended_by_signals():
            yield way
    finally:
        pool.close()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Take a request to end, or the end of the terminal, for Ctrl-C; unless it is ignored, as under nohup."""
    names = ("SIGTERM", "SIGHUP") if threading.current_thread() is threading.main_thread() else ()
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
