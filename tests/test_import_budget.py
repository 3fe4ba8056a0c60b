"""Commands that only read and answer must not pay for torch, nor do much else.

Their cost is counted in calls and modules, since a clock would count what else the machine does;
`benchmarks/start_up.py` has the seconds.
"""

import json
import subprocess
import sys

import pytest

from tests.acceptance.conftest import SPEC

COMMANDS = [
    # each with its most calls, as a multiple of those of importing the libraries that reading a spec cannot do without
    ("main_run", ["--help"], 3),
    ("main_run", ["--validate", "spec.yaml"], 5),
    ("main_run", ["--collect-only", "spec.yaml"], 5),
    ("main", ["methods"], 6),
    ("main", ["schema"], 8),
]
MOST_MODULES = 500
HEAVY = {"torch", "numpy", "matplotlib", "jinja2", "transformers", "huggingface_hub", "wandb"}
LIBRARIES = "import click, jsonschema, pluggy, pydantic, yaml"
COMMAND = "from mechint import cli; sys.argv = ['mechint', *sys.argv[2:]]; cli.{main}()"
COUNTED = """
import atexit, cProfile, json, sys
from collections import Counter

def count():
    profile.disable()
    calls = Counter()
    for entry in profile.getstats():
        file = entry.code if isinstance(entry.code, str) else entry.code.co_filename
        calls[file.rpartition("site-packages/")[2]] += entry.callcount
    modules = Counter(name.partition(".")[0] for name in sys.modules)
    print(json.dumps([modules, calls]), file=sys.stderr)

profile = cProfile.Profile()
atexit.register(count)
profile.enable()
"""


def count(folder, work, *arguments):
    """How many modules of each package a piece of Python loads and how many calls each file gets."""
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "output").mkdir()
    (folder / "output/final_model_stepV0.pt").touch()
    command = [sys.executable, "-c", COUNTED + work, "--", *arguments]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran
    return json.loads(ran.stderr.splitlines()[-1])


def most(counts):
    """The largest counts, for a message."""
    return sorted(counts.items(), key=lambda pair: -pair[1])[:10]


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    return count(tmp_path_factory.mktemp("libraries"), LIBRARIES)


@pytest.mark.parametrize(("main", "arguments", "times"), COMMANDS)
def test_light_commands_load_and_do_little(tmp_path, libraries, main, arguments, times):
    modules, calls = count(tmp_path, COMMAND.format(main=main), *arguments)
    assert modules.keys() & HEAVY == set()
    more = {name: number for name, number in modules.items() if name not in libraries[0]}
    assert sum(modules.values()) < MOST_MODULES, f"packages that the libraries do not load: {most(more)}"
    assert sum(calls.values()) < times * sum(libraries[1].values()), f"the files with the most calls: {most(calls)}"


def test_the_test_itself_sees_torch(tmp_path):
    modules, _ = count(tmp_path, "profile.disable(); import torch; " + COMMAND.format(main="main"), "methods")
    assert "torch" in modules
    assert sum(modules.values()) > MOST_MODULES


def test_the_test_itself_counts_calls(tmp_path):
    _, calls = count(tmp_path, "for number in range(10_000): abs(number)")
    assert 10_000 < sum(calls.values()) < 20_000
