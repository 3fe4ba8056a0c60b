"""Commands that only read and answer must not pay for torch."""

import os
import subprocess
import sys

import pytest

from tests.acceptance.conftest import SPEC

COMMANDS = [
    ("main_run", ["--help"]),
    ("main_run", ["--validate", "spec.yaml"]),
    ("main_run", ["--collect-only", "spec.yaml"]),
    ("main", ["methods"]),
    ("main", ["schema"]),
]
SCRIPT = """
import atexit, sys
from mechint import cli
heavy = ("torch", "numpy", "matplotlib", "jinja2", "transformers", "huggingface_hub", "wandb")
atexit.register(lambda: print("heavy:", [name for name in heavy if name in sys.modules], file=sys.stderr))
sys.argv = ["mechint", *sys.argv[2:]]
getattr(cli, {main!r})()
"""


def run(tmp_path, main, arguments):
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "output").mkdir(exist_ok=True)
    (tmp_path / "output/final_model_stepV0.pt").touch()
    command = [sys.executable, "-c", SCRIPT.format(main=main), "--", *arguments]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("main", "arguments"), COMMANDS)
def test_light_commands_import_nothing_heavy(tmp_path, main, arguments):
    ran = run(tmp_path, main, arguments)
    assert ran.returncode == 0, ran
    assert ran.stderr.strip().splitlines()[-1] == "heavy: []"


def test_the_test_itself_sees_torch(tmp_path):
    script = SCRIPT.format(main="main").replace("from mechint import cli", "import torch; from mechint import cli")
    command = [sys.executable, "-c", script, "--", "methods"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "torch" in ran.stderr.splitlines()[-1]


def spent_by_children() -> float:
    """Seconds of processor time of all processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


@pytest.mark.parametrize(("main", "arguments"), COMMANDS)
def test_light_commands_answer_within_a_few_bare_starts(tmp_path, main, arguments):
    """A ratio of processor time, since machines differ and are busy; 1 is importing the libraries that reading a spec
    cannot do without.

    On an idle machine the ratio is about 2.5 and the time about a third of a second.
    """
    libraries = [sys.executable, "-c", "import click, jsonschema, pluggy, pydantic, yaml"]
    best = {"libraries": 9.0, "command": 9.0}
    for _ in range(3):
        started = spent_by_children()
        subprocess.run(libraries, check=True)
        best["libraries"] = min(best["libraries"], spent_by_children() - started)
        started = spent_by_children()
        run(tmp_path, main, arguments)
        best["command"] = min(best["command"], spent_by_children() - started)
    assert best["command"] < 4 * best["libraries"]
