"""A folder with two tiny checkpoints, data and a spec, and the program to run there."""

import fcntl
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from mechint import cli
from tests.cheap import leave_blank
from tests.tiny_workspace import write_workspace

SPEC = """\
version: 1
name: tiny
checkpoints: ./output/final_model_step*.pt
task:
  name: tokens
  path: data
  examples: {train: 16, validation: 8}
method:
  name: kv_circuit
  steps: 12
  batch_size: 8
matrix:
  method.target_sparsity: [0.5, 0.75]
faithfulness:
  ablation: mean
  assert:
    - sparsity >= 0.5
output_dir: analysis
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What one call of the program gave."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A working directory in which the program runs."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return name

    def edit(self, old: str, new: str) -> str:
        assert old in SPEC, f"{old!r} is not in the spec"
        return self.write("spec.yaml", SPEC.replace(old, new))

    def run(self, *arguments: str) -> Ran:
        """``mechint-run`` with these arguments, in this process."""
        return self._call(cli.main_run, ("--in-process", *arguments))

    def mechint(self, *arguments: str) -> Ran:
        return self._call(cli.main, arguments)

    def hold(self, folder: str) -> None:
        """Take the lock of a run's folder, as a process that runs there does, until somebody says that it waits."""
        lock = (self.folder / folder / ".lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        echo = click.echo

        def end(text, **how):
            echo(text, **how)
            lock.close()

        self.monkeypatch.setattr(click, "echo", end)

    def _call(self, main, arguments) -> Ran:
        self.monkeypatch.setattr(sys, "argv", ["mechint", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = self.capsys.readouterr()
        return Ran(code=int(exit_.value.code), out=captured.out, err=captured.err)


@pytest.fixture
def rendered():
    """For a test to ask for that looks at pictures; for others they are left blank."""


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("shared_cache")


@pytest.fixture
def known(monkeypatch, shared_cache, request):
    """What one test measured is there for the others, but for those that look at pictures, which are measured too."""
    if "rendered" not in request.fixturenames:
        monkeypatch.setenv("MECHINT_CACHE_DIR", str(shared_cache))


@pytest.fixture
def workspace(tmp_path, capsys, monkeypatch, request):
    if "rendered" not in request.fixturenames:
        leave_blank(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)  # where these tests run is none of the program's business
    write_workspace(tmp_path)
    (tmp_path / "spec.yaml").write_text(SPEC)
    return Workspace(folder=tmp_path, capsys=capsys, monkeypatch=monkeypatch)
