"""The watch over hostile inputs sees what it is there to see, and a share of the inputs passes it.

The whole of them is ``benchmarks/hostile_inputs.py``.
"""

import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.cases import every_case
from tests.hostile.payloads import random_payload

ROOT = Path(__file__).parents[2]
WATCHED = """
import os, socket, subprocess, sys
from pathlib import Path
from tests.hostile.cases import Case, good_cases
from tests.hostile.watch import watch

def fails(act):
    def read():
        act()
        raise SystemExit(4)
    return read

acts = {
    "socket": lambda: socket.socket(),
    "program": lambda: os.system("true"),
    "child": lambda: subprocess.run(["true"]),
    "canary": lambda: Path("canary").touch(),
    "silence": lambda: None,
    "bug": lambda: print("Traceback (most recent call last)", file=sys.stderr),
    "clear": lambda: print("a.pt: is empty", file=sys.stderr),
}
cases = [Case(kind=name, name=name, write=lambda *_: None, read=fails(act)) for name, act in acts.items()]
for seen in watch([*cases, *good_cases()], Path(sys.argv[1])):
    print(seen.case.kind, seen.case.name, seen.refused, *seen.forbidden, sep=":")
"""

linux = pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux to measure memory")


def run(*arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)


@linux
def test_what_opens_or_runs_something_or_is_not_clear_is_not_refused(tmp_path):
    printed = run("-c", WATCHED, str(tmp_path / "work")).stdout.splitlines()
    lines = {line.split(":")[0]: line for line in printed[:7]}
    assert [kind for kind, line in lines.items() if ":True" in line] == ["clear"]
    assert ("socket.__new__" in lines["socket"], "os.system" in lines["program"]) == (True, True)
    assert lines["canary"].endswith(":canary")
    assert all(line.endswith(":good:False") for line in printed[7:])


@linux
def test_every_ninth_input_is_refused(tmp_path):
    ran = run("benchmarks/hostile_inputs.py", "--every", "9", "--seed", "1")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_there_are_hundreds_of_inputs_under_names_of_their_own():
    named = [(case.kind, case.name) for case in every_case()]
    assert len(named) == len(set(named)) > 600


@pytest.mark.parametrize("seed", range(60))
def test_a_random_payload_would_run(tmp_path, seed):
    canary = tmp_path / "canary"
    pickle.loads(random_payload(random.Random(seed), canary))
    assert canary.exists()
