"""Kill a run before each of its file operations, once each: the same command must always come to the same end.

An undisturbed run writes down each operation on a file of its folder or of the cache: who (program or worker), what,
which file, and its number among equal ones. For each of them a fresh run is killed just before it, and typed again.
``results.json`` must be readable after the kill; at the end there are the files of the undisturbed run and no others,
with the same numbers, and the same bytes in each that does not say how long something took.

    python benchmarks/kill_points.py
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from mechint.engine.cache import Cache
from tests.deadly import environment, findings, spec, start_afresh
from tests.deadly.failpoints import LOG
from tests.tiny_workspace import write_workspace

COMMAND = [sys.executable, "-m", "mechint", "run", "spec.yaml", "-q"]
MOST_NOT_REACHED = 8
"""Points that may not be met again: how often a search is kept hangs on the time it takes."""
METHOD = "{name: slow, steps: 16}"
MATRIX = "{seed: [0, 1]}"
START = """\
import os
from pathlib import Path
from tests.deadly import failpoints
failpoints.watch(Path(os.environ["MECHINT_CACHE_DIR"]).parent)
"""


def main() -> int:
    """Kill at every point, or at some, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take only each point whose number is a multiple of this")
    every = parser.parse_args().every
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        write_workspace(folder)
        (folder / "spec.yaml").write_text(spec(METHOD, MATRIX))
        (folder / "sitecustomize.py").write_text(START)
        _run(folder, None)
        known = findings(folder)
        points = (folder / LOG).read_text().splitlines()[::every]
        for point in points:
            start_afresh(folder)
            outcome = _kill_at(folder, point, known)
            seen[outcome] += 1
            print(f"{outcome}: {point}", flush=True)
    print(f"\n{len(points)} points: {dict(seen)}")
    return int(seen["same"] < len(points) - MOST_NOT_REACHED or not set(seen) <= {"same", "not reached"})


def _kill_at(folder: Path, point: str, known: Any) -> str:
    """Whether the run after the one that was killed at this point finds the same, in a word or two."""
    (folder / "killed").unlink(missing_ok=True)
    _run(folder, point)
    if not (folder / "killed").exists():
        return "not reached"
    try:
        json.loads((folder / "analysis/results.json").read_text())
    except FileNotFoundError:  # it had not come to that
        pass
    except ValueError:
        return "UNREADABLE RESULTS"
    if _run(folder, point):
        return "NO END"
    if any(entry.damaged for entry in Cache(root=folder / "cache").entries()):
        return "DAMAGED CACHE"
    return "same" if findings(folder) == known else "DIFFERENT"


def _run(folder: Path, point: str | None) -> int:
    more = {} if point is None else {"FAILPOINT": point}
    return subprocess.run(
        COMMAND, cwd=folder, env=environment(folder, **more), check=False, capture_output=True
    ).returncode


if __name__ == "__main__":
    raise SystemExit(main())
