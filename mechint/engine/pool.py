"""Measuring items in processes of their own, so that what kills one item costs no other.

1. As many workers are started as may be at work at once. Each has an item at a time, so that whoever dies is to blame.
2. A worker says how far it is and how its item ended, over a socket; what it prints comes over a pipe.
3. One that dies, takes too long, runs out of memory or holds too much is killed with everything it started, and the
   next item gets a fresh one.
4. An item for which memory ran out is tried once more, with half as many examples in a pass.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from mechint.engine.death import Death, count_oom_kills, crossed_limit, error_facts, explain_end
from mechint.engine.item import broken_item
from mechint.engine.job import Job, Watch, with_less
from mechint.engine.measured import Measured
from mechint.engine.plugins import Plugins
from mechint.engine.printed import Printed
from mechint.engine.stored import load_measured, read_facts
from mechint.engine.worker import Answer, Began, Order
from mechint.journal import Progress
from mechint.results.store import write_metrics
from mechint.results.values import ErrorFacts
from mechint.spec.limits import Limits

__all__ = ["Pool", "threads_each"]

SECONDS_TO_START = 300.0
"""Importing torch and the plugins takes seconds; on a busy machine, minutes."""
SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_FOR_A_MESSAGE = 10
"""How long the rest of a message may take, which a worker that is killed never sends."""
_START = """
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from multiprocessing.connection import Connection
from mechint.engine.worker import serve
serve(Connection(int(sys.argv[1])))
"""


def threads_each(size: int) -> int:
    """How many threads each of several workers computes with; 0 for the libraries' own choice."""
    stated = os.environ.get("OMP_NUM_THREADS", "")
    if stated.isdecimal():
        return int(stated)
    if size == 1:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // size)


@dataclass(slots=True, kw_only=True, eq=False)
class _Worker:
    """A process and what it is at."""

    process: subprocess.Popen[bytes]
    connection: Connection
    job: Job | None = None
    given: float = 0.0
    """When it got its job."""
    began: float | None = None
    """When it took it up."""
    served: bool = False
    """Whether it has had an item before."""
    oom_kills: int = 0
    """Of the system, before its job."""
    printed: Printed = field(default_factory=Printed)
    silent: bool = False
    """Whether it has closed its output."""
    rows: list[dict[str, float | int | str]] = field(default_factory=list)
    """What its job measured step by step, for one that does not live to write it."""

    @property
    def output(self) -> int:
        assert self.process.stdout is not None, "a worker's output is a pipe"
        return self.process.stdout.fileno()


class Pool:
    """Workers for any number of runs, started when they are needed."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._workers: list[_Worker] = []

    def execute(self, jobs: Sequence[Job], plugins: Plugins, limits: Limits, watch: Watch) -> None:
        """Measure the jobs side by side; on any exception, such as an interrupt, those at work are stopped."""
        waiting = deque(jobs)
        names = plugins.names()
        try:
            while waiting or any(worker.job for worker in self._workers):
                self._hand_out(waiting, names, limits, watch)
                for worker in self._ready():
                    self._hear(worker, waiting, watch)
                for worker in tuple(self._workers):
                    self._look_after(worker, waiting, limits, watch)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End every worker with all that it started."""
        for worker in tuple(self._workers):
            self._remove(worker)

    def _hand_out(self, waiting: deque[Job], names: Sequence[str], limits: Limits, watch: Watch) -> None:
        idle = [worker for worker in self._workers if worker.job is None]
        while waiting and (idle or len(self._workers) < self._size):
            try:
                worker = idle.pop() if idle else self._start()
            except OSError as error:
                if any(worker.job for worker in self._workers):
                    return  # with fewer at once
                job = waiting.popleft()
                watch.ended(job, broken_item(job, error_facts(error), 0.0))
                continue
            job = waiting.popleft()
            worker.job, worker.given, worker.began = job, time.monotonic(), None
            worker.oom_kills, worker.printed, worker.rows = count_oom_kills(), Printed(), []
            if job.most_at_once is None:  # else it has been told
                watch.started(job.item)
            with contextlib.suppress(OSError):  # a worker that is gone is seen when it is looked after
                worker.connection.send(Order(job=job, plugins=names, memory=limits.bytes))

    def _start(self) -> _Worker:
        ours, theirs = socket.socketpair()
        timeout = struct.pack("ll", SECONDS_FOR_A_MESSAGE, 0)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        threads = threads_each(self._size)
        with ours, theirs:
            process = subprocess.Popen(
                # -P: a file in the working directory must not pass for a library.
                [sys.executable, "-u", "-P", "-c", _START, str(theirs.fileno()), json.dumps(sys.path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env={**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})},
            )
            worker = _Worker(process=process, connection=Connection(ours.detach()))
        os.set_blocking(worker.output, False)
        self._workers.append(worker)
        return worker

    def _ready(self) -> list[_Worker]:
        """The workers that have said something, after some time at most; what they printed is taken in."""
        ends: dict[Any, _Worker] = {worker.connection: worker for worker in self._workers}
        ends |= {worker.output: worker for worker in self._workers if not worker.silent}
        ready = wait(list(ends), SECONDS_BETWEEN_LOOKS)
        for end in ready:
            if isinstance(end, int):
                _take_in(ends[end])
        return [ends[end] for end in ready if isinstance(end, Connection)]

    def _hear(self, worker: _Worker, waiting: deque[Job], watch: Watch) -> bool:
        """Act on a worker's next message; False where there will be none."""
        try:
            said = worker.connection.recv()
        except (EOFError, OSError):
            _kill(worker)  # it is seen to be dead when it is looked after
            return False
        job = worker.job
        if isinstance(said, Began):
            worker.began = time.monotonic()
        elif isinstance(said, Progress) and job is not None:
            if said.values:
                worker.rows.append({"stage": said.stage, "step": said.done - 1, **said.values})
            watch.progressed(job.item, said)
        elif isinstance(said, Answer) and job is not None:
            worker.job, worker.served = None, True
            _take_in(worker)
            self._end(worker, job, _result(job, said), waiting, watch)
            if said.spent:
                self._remove(worker)
        return True

    def _look_after(self, worker: _Worker, waiting: deque[Job], limits: Limits, watch: Watch) -> None:
        """See whether a worker is dead or takes too long, and whether it had an answer nevertheless."""
        status = worker.process.poll()
        if status is None and not _takes_too_long(worker, limits):
            return
        while worker.job is not None and worker.connection.poll() and self._hear(worker, waiting, watch):
            pass
        if worker not in self._workers:
            return
        job, worker.job = worker.job, None
        self._remove(worker)
        if job is None:
            return
        if status is not None and worker.served and worker.began is None:
            waiting.appendleft(job)  # it died before, of something that is not this item's doing
            return
        if status is None:
            death = crossed_limit(limits, began=worker.began is not None)
        else:
            death = explain_end(status, out_of_memory=count_oom_kills() > worker.oom_kills)
        self._end(worker, job, _dead(worker, job, death), waiting, watch)

    def _end(self, worker: _Worker, job: Job, measured: Measured, waiting: deque[Job], watch: Watch) -> None:
        again = with_less(job, measured)
        if again is not None:
            waiting.appendleft(again)
            return
        with contextlib.suppress(OSError):  # that the folder cannot be written to, the report says
            worker.printed.write(job.folder)
        watch.ended(job, measured)

    def _remove(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        _kill(worker)
        worker.process.wait()
        _take_in(worker)
        worker.connection.close()
        assert worker.process.stdout is not None, "a worker's output is a pipe"
        worker.process.stdout.close()


def _result(job: Job, answer: Answer) -> Measured:
    """What became of a job that was answered."""
    if answer.broken is not None:
        return Measured(item=job.item, report=answer.broken, folder=job.folder)
    facts = read_facts(job.folder)
    if facts is None:
        error = ErrorFacts(kind="lost", message=f"{job.folder}: its results are gone", traceback=None)
        return broken_item(job, error, 0.0)
    return load_measured(job.item, job.folder, facts)


def _dead(worker: _Worker, job: Job, death: Death) -> Measured:
    """What is known of an item whose process ended; what it measured until then is kept for people to see."""
    if worker.rows and job.folder.is_dir():
        with contextlib.suppress(OSError):
            write_metrics(worker.rows, job.folder / "metrics.jsonl")
    return broken_item(job, death.facts(worker.printed.last_lines()), time.monotonic() - worker.given)


def _takes_too_long(worker: _Worker, limits: Limits) -> bool:
    if worker.job is None:
        return False
    if worker.began is None:
        return time.monotonic() - worker.given > SECONDS_TO_START
    return limits.seconds is not None and time.monotonic() - worker.began > limits.seconds


def _take_in(worker: _Worker) -> None:
    """Read what a worker has printed until now."""
    with contextlib.suppress(BlockingIOError):
        while content := os.read(worker.output, 1 << 16):
            worker.printed.add(content)
        worker.silent = True


def _kill(worker: _Worker) -> None:
    """End a worker's process and all others of its group."""
    with contextlib.suppress(OSError):
        os.killpg(worker.process.pid, signal.SIGKILL)
