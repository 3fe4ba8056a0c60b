"""The pool with workers that load no torch: they are told what to do by the ids of their items."""

import errno
import os
import subprocess
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mechint.engine.job import Job
from mechint.engine.plugins import Plugins, list_plugins
from mechint.engine.pool import Pool, threads_each
from mechint.spec.limits import Limits
from tests.engine.items import item_asserting

WORKER = """
import json, os, sys, time
sys.path[:] = json.loads(sys.argv[2])
from multiprocessing.connection import Connection
from pathlib import Path
from mechint.engine.death import error_facts
from mechint.engine.item import broken_item
from mechint.engine.worker import Answer, Began
from mechint.journal import Progress

connection = Connection(int(sys.argv[1]))

def answer(job, error, spent=False):
    connection.send(Answer(broken=broken_item(job, error_facts(error), 0.0).report, spent=spent))

while True:
    job = connection.recv().job
    connection.send(Began())
    way = job.item.id.partition("-")[0]
    if way == "meets":
        connection.send(Progress(stage="meeting", done=1, total=2, values={}))
        Path(job.item.id).touch()
        while not all(Path(other).exists() for other in ("meets-1", "meets-2")):
            time.sleep(0.01)
        connection.send(Progress(stage="meeting", done=2, total=2, values={}))
    if way == "cut":
        os.write(connection.fileno(), b"\\0\\0\\1\\0half")
        os._exit(0)
    if way == "hangs":
        connection.send(Progress(stage="hanging", done=1, total=2, values={}))
        time.sleep(1000)
    if way == "large" and job.most_at_once is None:
        answer(job, MemoryError(), spent=True)
        continue
    if way == "leaves":
        answer(job, ValueError(f"{os.getpid()} None"))
        os._exit(0)
    answer(job, ValueError(f"{os.getpid()} {job.most_at_once}"), spent=way == "spent")
"""


class Seen:
    """Who is told, and what."""

    def __init__(self):
        self.told = []
        self.errors = {}

    def started(self, item):
        self.told.append((item.id, "started"))

    def progressed(self, item, progress):
        self.told.append((item.id, progress.done))

    def ended(self, job, measured):
        self.told.append((job.item.id, "ended"))
        self.errors[job.item.id] = measured.report.error


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs items of some ids on so many workers, and says who was told what."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mechint.engine.pool._START", WORKER)
    item, plugins, pools = item_asserting("sparsity >= 0.5"), Plugins(list_plugins()), []

    def run(ids, size=1, limits=None, seen=None):
        pools.append(Pool(size))
        seen = seen or Seen()
        jobs = [Job(item=replace(item, id=name), folder=tmp_path / name) for name in ids]
        pools[-1].execute(jobs, plugins, limits or Limits(), seen)
        return seen

    yield run
    for pool in pools:
        pool.close()


def process_of(error):
    return int(error.message.split()[1])


def test_one_process_serves_one_item_after_another(run):
    seen = run(["a-1", "a-2", "a-3"])
    assert len({process_of(error) for error in seen.errors.values()}) == 1
    assert [what for _, what in seen.told] == ["started", "ended"] * 3


def test_several_items_are_at_work_at_once(run):
    """Each ends only when it has met the other."""
    seen = run(["meets-1", "meets-2"], size=2)
    ends = [place for place, (_, what) in enumerate(seen.told) if what == "ended"]
    starts = [place for place, (_, what) in enumerate(seen.told) if what == "started"]
    assert max(starts) < min(ends)
    assert {what for name, what in seen.told if name == "meets-1"} == {"started", 1, 2, "ended"}


def test_a_process_that_holds_too_much_gives_way(run):
    first, second = run(["spent", "a"]).errors.values()
    assert process_of(first) != process_of(second)


def test_one_that_dies_between_items_harms_none(run):
    first, second = run(["leaves", "a"]).errors.values()
    assert (first.kind, second.kind) == ("ValueError", "ValueError")
    assert process_of(first) != process_of(second)


def test_half_a_message_is_no_answer(run):
    seen = run(["cut", "a"])
    assert seen.errors["cut"].kind in ("exited", "killed")
    assert seen.errors["a"].kind == "ValueError"


def test_where_memory_runs_out_the_item_is_tried_again_on_a_fresh_process(run):
    seen = run(["a", "large"])
    assert seen.errors["large"].message.endswith(" 8")
    assert process_of(seen.errors["a"]) != process_of(seen.errors["large"])
    assert seen.told.count(("large", "ended")) == 1


def test_what_takes_too_long_is_stopped_and_the_next_goes_on(run, monkeypatch):
    """An hour goes by once the item hangs, and none for the next one, however slow the machine is."""
    hours = []
    monkeypatch.setattr(
        "mechint.engine.pool.time", SimpleNamespace(monotonic=lambda: time.monotonic() + 3600 * len(hours))
    )

    class Waiting(Seen):
        def progressed(self, item, progress):
            hours.append(item.id)

    seen = run(["hangs", "a"], limits=Limits(time="50m"), seen=Waiting())
    assert hours == ["hangs"]
    assert (seen.errors["hangs"].kind, seen.errors["a"].kind) == ("timeout", "ValueError")
    assert "50m" in seen.errors["hangs"].message


def test_a_process_that_never_starts_is_given_up(run, monkeypatch):
    monkeypatch.setattr("mechint.engine.pool._START", "import time; time.sleep(1000)")
    monkeypatch.setattr("mechint.engine.pool.SECONDS_TO_START", 0.2)
    assert "did not start" in run(["a"]).errors["a"].message


def test_a_process_that_fails_to_start_shows_why(run, monkeypatch):
    monkeypatch.setattr("mechint.engine.pool._START", "raise ImportError('no such library')")
    error = run(["a"]).errors["a"]
    assert error.kind == "exited"
    assert "no such library" in error.traceback


@pytest.mark.parametrize("started", [0, 1])
def test_where_no_more_processes_can_be_started_the_others_go_on(run, monkeypatch, started):
    popen, calls = subprocess.Popen, []

    def refuse(*given, **options):
        calls.append(given)
        if len(calls) > started:
            raise OSError(errno.EMFILE, "Too many open files")
        return popen(*given, **options)

    monkeypatch.setattr(subprocess, "Popen", refuse)
    errors = run(["a-1", "a-2", "a-3"], size=2).errors
    assert [error.kind for error in errors.values()] == (["ValueError"] * 3 if started else ["OSError"] * 3)
    assert ("too many open files\n  hint: raise the limit" in errors["a-3"].message) is not started


def test_an_interrupt_stops_what_is_at_work(run):
    class Interrupting(Seen):
        def progressed(self, item, progress):
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(["meets-1", "hangs"], size=2, seen=Interrupting())
    assert time.monotonic() - started < 900  # it hangs for 1000


def test_threads_are_shared_out(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert [threads_each(size) for size in (1, 2, 3, 16)] == [0, 4, 2, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert threads_each(2) == 5
