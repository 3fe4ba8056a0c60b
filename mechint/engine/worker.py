"""The process that items are measured in: one at a time, until the program that started it is gone.

It is started with a socket and told over it what to do; what it says back is progress and, last, how an item ended. A
measured item is read from its folder, so that only an error travels whole.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue

from mechint.checkpoint.readers import find_replaced_reader
from mechint.engine.death import error_facts
from mechint.engine.item import broken_item, measure_item
from mechint.engine.job import OUT_OF_MEMORY, Job
from mechint.engine.plugins import Plugins, list_plugins
from mechint.journal import Progress
from mechint.results.values import ItemReport

__all__ = ["Answer", "Began", "Order", "serve"]

HEAVY = 2 << 30
"""Bytes that a process may still hold after an item; with more it gives way to a fresh one."""
SECONDS_BETWEEN = 0.1
"""Between two words on a stage that measures nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a worker is told to do."""

    job: Job
    plugins: Sequence[str]
    """Names of those to load."""
    memory: int | None
    """Bytes of data that the process may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """The worker has taken its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An item is done."""

    broken: ItemReport | None
    """None for an item that was measured and lies in its folder."""
    spent: bool
    """Whether the process holds too much to go on, or a plugin has changed what others need."""


def serve(connection: Connection) -> None:
    """Take orders until the other end is closed, then end with everything that was started here."""
    faulthandler.enable()
    orders: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, orders), daemon=True).start()
    import torch  # noqa: F401  # while nobody waits for it

    while True:
        order: Order = pickle.loads(orders.get())
        connection.send(Began())
        answer = _carry_out(order, connection)
        sys.stdout.flush()
        sys.stderr.flush()
        connection.send(answer)


def _listen(connection: Connection, orders: SimpleQueue[bytes]) -> None:
    """Pass orders on; at the end of the one who gives them, end at once, whatever the item is doing."""
    while True:
        try:
            orders.put(connection.recv_bytes())
        except (EOFError, OSError):
            os.killpg(0, signal.SIGKILL)


def _carry_out(order: Order, connection: Connection) -> Answer:
    started = time.monotonic()
    try:
        _limit_memory(order.memory)
        plugins = Plugins(list_plugins())
        for name in order.plugins:
            plugins.load(name)
        measured = measure_item(order.job, plugins, _Teller(connection).tell)
    except BaseException as error:  # even a KeyboardInterrupt is the method's own: no terminal reaches this process
        measured = broken_item(order.job, error_facts(error), time.monotonic() - started)
    report = measured.report
    ran_out = report.error is not None and report.error.kind == OUT_OF_MEMORY
    spent = ran_out or find_replaced_reader() != ""
    del measured
    gc.collect()
    return Answer(broken=None if report.error is None else report, spent=spent or _held() > HEAVY)


class _Teller:
    """Says how far an item is, and not more often than somebody can look."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._said = 0.0

    def tell(self, progress: Progress) -> None:
        at = time.monotonic()
        if progress.values or progress.done == progress.total or at - self._said >= SECONDS_BETWEEN:
            self._connection.send(progress)
            self._said = at


def _limit_memory(most: int | None) -> None:
    """Bound the process's data. Its address space would count what libraries only reserve."""
    if sys.platform != "linux":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard if most is None else most, hard))


def _held() -> int:
    """Bytes of memory that the process holds; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
