"""The program as a process of its own, with other locales and clocks than it would like."""

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.acceptance.test_run import results


def test_the_console_script_runs_in_a_process_of_its_own(workspace):
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            "from mechint.cli import main_run; main_run()",
            "spec.yaml",
            "--models",
            "output/*V0.pt",
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TERM": "dumb"},
    )
    assert ran.returncode == 0, ran
    assert "2 passed" in ran.stdout


@pytest.mark.parametrize(
    "narrow",
    [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "cp1252"}],
    ids=["LC_ALL=C", "cp1252"],
)
def test_names_beyond_ascii_need_no_terminal_that_knows_them(workspace, narrow):
    workspace.edit("name: tiny\n", "name: tiny\ndescription: größer 面\n")
    folder = workspace.folder.rename(workspace.folder.with_name(f"{workspace.folder.name} größer 面"))
    command = [sys.executable, "-m", "mechint", "run", "spec.yaml", "--in-process", "--models", "output/*V0.pt"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **narrow}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b""), ran
    assert "größer 面" in (folder / "analysis/report.md").read_text("utf-8")


def test_a_clock_that_jumps_back_changes_nothing_but_the_date(workspace, monkeypatch):
    back = itertools.count(time.time(), -86_400.0)
    monkeypatch.setattr(time, "time", lambda: next(back))
    first, again = (workspace.run("spec.yaml", "--models", "output/*V0.pt") for _ in range(2))
    assert (first.code, again.code) == (0, 0)
    assert all(item["cached"] and item["seconds"] >= 0 for item in results(workspace)["items"])
    assert workspace.mechint("cache", "gc", "--days", "30").code == 0
    assert workspace.run("spec.yaml", "--models", "output/*V0.pt", "--set", "output_dir=other").code == 0
    assert all(item["cached"] for item in results(workspace, "other")["items"])
