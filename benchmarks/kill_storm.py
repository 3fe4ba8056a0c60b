"""Kill a run at random times, again and again: the same command must always come to the same end.

Every kill is a SIGKILL to the program, to one of its workers, or to all of them at once. After each, ``results.json``
must be readable; whenever the command gets to its end, every mask and every number must be those of an undisturbed run.
What a killed run had done and its successor does again is counted in steps of the search.

    python benchmarks/kill_storm.py --count 200
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.deadly import environment, findings, spec, start_afresh
from tests.tiny_workspace import write_workspace

COMMAND = [sys.executable, "-m", "mechint", "run", "spec.yaml", "-n", "2"]
METHOD = "{name: slow, steps: 60}"
MATRIX = "{method.estimator: [swap, straight_through, hard_concrete], seed: [0, 1]}"
LATEST = 0.8
"""When a run is killed at the latest, in times of what an undisturbed one takes."""
SAVED_STEPS = 13
"""Steps of the slow method between two saves: a quarter of a second at a fiftieth for each, and the one at work."""


@dataclass(slots=True, kw_only=True)
class Storm:
    """What was seen."""

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    """Times that the command got to its end."""
    unreadable: int = 0
    different: int = 0
    repeated: int = 0
    """Steps done twice, over all kills."""
    most_repeated: int = 0
    """Of one loop, for one kill."""


def main() -> int:
    """Kill as often as asked for and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    choose = random.Random(asked.seed)
    storm = Storm()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_workspace(folder)
        (folder / "spec.yaml").write_text(spec(METHOD, MATRIX))
        started = time.monotonic()
        known = _undisturbed(folder)
        latest = LATEST * (time.monotonic() - started)
        while sum(storm.kills.values()) < asked.count:
            _run_once(folder, choose, storm, known, latest)
            if sum(storm.kills.values()) % 10 == 0:
                _print(storm)
        while not _finish(folder, storm, known):
            pass
    _print(storm)
    return int(bool(storm.different or storm.unreadable or storm.most_repeated > SAVED_STEPS))


def _print(storm: Storm) -> None:
    print(f"kills: {sum(storm.kills.values())} {dict(storm.kills)}")
    print(f"  runs that got to their end: {storm.runs}, with other masks or numbers: {storm.different}")
    print(f"  unreadable results.json: {storm.unreadable}")
    print(f"  steps done again: {storm.repeated}, of one loop after one kill at most {storm.most_repeated}", flush=True)


def _undisturbed(folder: Path) -> Any:
    subprocess.run(COMMAND, cwd=folder, env=environment(folder), check=True, capture_output=True)
    found = findings(folder)
    start_afresh(folder)
    return found


def _run_once(folder: Path, choose: random.Random, storm: Storm, known: Any, latest: float) -> None:
    """Start the command and kill it, or let it end where it is faster."""
    before = _steps(folder)
    running = subprocess.Popen(
        COMMAND,
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=(folder / "stderr").open("w"),
        start_new_session=True,
    )
    try:
        if running.wait(choose.uniform(0, latest)):
            raise SystemExit(f"the run came to no end: {(folder / 'stderr').read_text()}")
    except subprocess.TimeoutExpired:
        whom = choose.choice(("worker", "controller", "all"))
        storm.kills[whom] += 1
        _kill(running.pid, whom)
        running.wait()
    _count_repeated(folder, before, storm)
    results = folder / "analysis/results.json"
    if results.exists():
        try:
            json.loads(results.read_text())
        except ValueError:
            storm.unreadable += 1
    if running.returncode == 0:
        _compare(folder, storm, known)


def _finish(folder: Path, storm: Storm, known: Any) -> bool:
    """Let the command come to its end; whether it did."""
    ran = subprocess.run(COMMAND, cwd=folder, env=environment(folder), check=False, capture_output=True)
    if ran.returncode == 0:
        _compare(folder, storm, known)
    return ran.returncode == 0


def _compare(folder: Path, storm: Storm, known: Any) -> None:
    storm.runs += 1
    storm.different += findings(folder) != known
    start_afresh(folder)


def _steps(folder: Path) -> Counter[str]:
    log = folder / "steps.log"
    return Counter(log.read_text().splitlines() if log.exists() else [])


def _count_repeated(folder: Path, before: Counter[str], storm: Storm) -> None:
    """The steps of this run that an earlier one had done."""
    again = [step for step in _steps(folder) - before if before[step]]
    storm.repeated += len(again)
    loops = Counter(step.rsplit(" ", 1)[0] for step in again)
    storm.most_repeated = max(storm.most_repeated, *loops.values(), 0)


def _kill(controller: int, whom: str) -> None:
    workers = _children(controller)
    victims = {"worker": workers[:1], "controller": [controller], "all": [controller, *workers]}[whom]
    for victim in victims or [controller]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    if whom == "worker" and workers:
        return  # the program goes on with its other items
    for _ in range(100):  # workers end themselves when nobody is left to answer
        if not any(_alive(worker) for worker in workers):
            return
        time.sleep(0.05)
    raise SystemExit(f"workers {workers} outlive the program that started them")


def _alive(process: int) -> bool:
    """Whether it still runs; one that nobody has asked for its exit status does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _children(parent: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent:
                found.append(int(status.parent.name))
    random.shuffle(found)
    return found


if __name__ == "__main__":
    raise SystemExit(main())
