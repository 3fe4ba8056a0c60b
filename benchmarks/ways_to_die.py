"""Items that end in every way a process can end, beside items that do not: who is blamed, and what for.

One run on two workers; every bad item must be the only one that its end costs. Exits with 1 where one is not.

    python benchmarks/ways_to_die.py
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.deadly import environment, spec
from tests.tiny_workspace import write_workspace

FINE = ("fine", "fine_too", "fine_as_well", "prints_a_gibibyte", "large_batch")
ENDS = {
    "segfault": "crashed",
    "abort": "crashed",
    "sigkill": "killed",
    "sigterm": "killed",
    "exit_zero": "exited",
    "exit_in_thread": "exited",
    "sys_exit": "exited",
    "base_exception": "BaseException",
    "keyboard_interrupt": "KeyboardInterrupt",
    "recursion": "RecursionError",
    "raises": "ZeroDivisionError",
    "deadlock": "timeout",
    "ignores_sigterm": "timeout",
    "grandchild": "exited",
    "closes_everything": "timeout",
    "memory_error": "oom",
    "cpu_allocator": "oom",
    "gpu_allocator": "oom",
    "over_the_limit": "oom",
}


def main() -> int:
    """Run all of them once and print a row for each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_workspace(folder)
        # Good items stand between the bad ones, so that each bad one has a neighbour to harm.
        ways = [way for pair in zip(ENDS, FINE * len(ENDS), strict=False) for way in pair]
        ways = list(dict.fromkeys(ways))
        limits = "{time: 60s, memory: 4GiB}"
        (folder / "spec.yaml").write_text(spec("{name: deadly}", f"{{method.way: [{', '.join(ways)}]}}", limits=limits))
        command = [sys.executable, "-m", "mechint", "run", "spec.yaml", "-n", "2"]
        started = time.monotonic()
        ran = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
        report = json.loads((folder / "analysis/results.json").read_text())
        wrong = _print_rows(report["items"])
        print(f"\n{len(report['items'])} items in {time.monotonic() - started:.0f} s, exit status {ran.returncode}")
        alive = _grandchildren(folder)
        print(f"processes left over: {len(alive)}")
        return int(bool(wrong or alive or ran.returncode != 7 or len(report["items"]) != len(ways)))


def _print_rows(items: list[dict]) -> int:  # type: ignore[type-arg]
    """A row for each item; how many are not what they should be."""
    wrong = 0
    print(f"{'way':20} {'expected':18} {'found':18} {'seconds':>7}")
    for item in items:
        way = item["method"]["way"]
        expected = ENDS.get(way, "passed")
        found = item["error"]["kind"] if item["error"] else item["outcome"]
        wrong += found != expected
        mark = "" if found == expected else "  <- wrong"
        print(f"{way:20} {expected:18} {found:18} {item['seconds']:7.1f}{mark}")
    return wrong


def _grandchildren(folder: Path) -> list[int]:
    """The processes that the items started and that are still alive."""
    said = (folder / "analysis/stepV0-way_grandchild/output.log").read_text()
    found = [int(number) for number in re.findall(r"grandchild (\d+)", said)]
    return [number for number in found if os.path.exists(f"/proc/{number}")]


if __name__ == "__main__":
    raise SystemExit(main())
