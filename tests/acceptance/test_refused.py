"""What the system does not let the program write or read: full disks, folders without permission, too many files."""

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mechint import files

pytestmark = pytest.mark.usefixtures("known")

FIRST = "stepV0-target_sparsity0.5"
ONE = ("--models", "output/*V0.pt", "--set", "matrix={}")


def refuse(number):
    raise OSError(number, os.strerror(number))


@pytest.fixture
def refusing(workspace, monkeypatch):
    """Makes the system refuse to write files whose path ends so."""
    replacing = files._replacing

    def refusing(end, number):
        monkeypatch.setattr(
            files, "_replacing", lambda path: refuse(number) if str(path).endswith(end) else replacing(path)
        )

    return refusing


def first_and_others(workspace, ran):
    """The error of the first item, after a look at the other three."""
    assert ran.code == 7, ran
    assert "Traceback" not in ran.out + ran.err
    first, *others = json.loads((workspace.folder / "analysis/results.json").read_text())["items"]
    assert [item["outcome"] for item in others] == ["passed"] * 3
    assert first["error"]["traceback"] is None
    return first["error"]["message"]


@pytest.mark.parametrize(
    ("name", "number", "said"),
    [
        ("result.json", errno.ENOSPC, "no space left on device"),
        ("final_masks.pt", errno.EROFS, "read-only file system"),
        ("metrics.jsonl", errno.EACCES, "permission denied"),
        ("measured.safetensors", errno.EMFILE, "too many open files\n  hint: raise the limit"),
        ("per_example.safetensors", errno.ENAMETOOLONG, "file name too long"),
        ("DONE", errno.EDQUOT, "disk quota exceeded"),
    ],
)
def test_an_item_that_cannot_be_written_says_so_and_the_others_go_on(workspace, refusing, name, number, said):
    refusing(f"{FIRST}/{name}", number)
    assert f"{name}: cannot be written: {said}" in first_and_others(workspace, workspace.run("spec.yaml", "--force"))
    assert not (workspace.folder / "analysis" / FIRST / "DONE").exists()


def test_neither_can_one_that_is_known(workspace, refusing):
    workspace.run("spec.yaml", "--set", "output_dir=before")
    refusing(f"analysis/{FIRST}/metrics.jsonl", errno.ENOSPC)
    message = first_and_others(workspace, workspace.run("spec.yaml"))
    assert "metrics.jsonl: cannot be written: no space left on device" in message


def test_a_file_in_the_place_of_an_items_folder_costs_that_item(workspace):
    workspace.folder.joinpath("analysis").mkdir()
    workspace.write(f"analysis/{FIRST}", "in the way")
    assert "cannot be written: not a directory" in first_and_others(workspace, workspace.run("spec.yaml"))
    assert (workspace.folder / "analysis" / FIRST).read_text() == "in the way"


@pytest.mark.parametrize("call", ["iterdir", "mkdir", "unlink"])
def test_an_items_folder_without_permission_costs_that_item(workspace, monkeypatch, call):
    workspace.run("spec.yaml")
    allowed = getattr(Path, call)

    def denied(path, *given, **options):
        if FIRST in str(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return allowed(path, *given, **options)

    with monkeypatch.context() as context:
        context.setattr(Path, call, denied)
        ran = workspace.run("spec.yaml", "--force")
    assert "permission denied" in first_and_others(workspace, ran)


@pytest.mark.parametrize("number", [errno.EACCES, errno.ESTALE])
def test_a_run_whose_folder_cannot_be_looked_into_does_not_begin(workspace, monkeypatch, number):
    listed = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: refuse(number) if path == "analysis/." else listed(path))
    ran = workspace.run("spec.yaml")
    assert ran.code == 4
    assert f"output_dir 'analysis' cannot be written to: {os.strerror(number)} [E204]" in ran.err


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ESTALE, errno.EIO])
def test_a_checkpoint_that_goes_away_once_the_run_began_costs_its_items(workspace, monkeypatch, number):
    from mechint.checkpoint import opened
    from mechint.engine import run

    def measured(*given):
        monkeypatch.setattr(opened.os, "open", gone)
        return measure(*given)

    def gone(path, *given, **options):
        return refuse(number) if str(path).endswith("V0.pt") else there(path, *given, **options)

    measure, there = run.measure_item, os.open
    monkeypatch.setattr(run, "measure_item", measured)
    ran = workspace.run("spec.yaml", "--force")
    items = json.loads((workspace.folder / "analysis/results.json").read_text())["items"]
    said = f"CheckpointError: output/final_model_stepV0.pt: cannot be opened: {os.strerror(number).lower()} [E507]"
    assert (ran.code, ran.out.count(said), "Traceback" in ran.out + ran.err) == (7, 2, False), ran
    assert [item["outcome"] for item in items] == ["error", "error", "passed", "passed"]


def test_data_that_may_not_be_read_are_no_bug(workspace, monkeypatch):
    def denied(path, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("numpy.memmap", denied)
    ran = workspace.run("spec.yaml", "--force", *ONE)
    assert (ran.code, "PermissionError: data/train.bin: permission denied [E703]" in ran.out) == (7, True), ran
    assert "Traceback" not in ran.out


@pytest.mark.parametrize("name", ["results.json", "report.md", "stepV0/circuit_analysis_report.md"])
def test_a_report_that_cannot_be_written_is_an_incomplete_run(workspace, name):
    (workspace.folder / "analysis" / name).mkdir(parents=True)
    (workspace.folder / "analysis/stepV0").mkdir(exist_ok=True)
    workspace.write("analysis/stepV0/result.json", "")
    ran = workspace.run("spec.yaml", "--junitxml", "junit.xml", *ONE)
    assert (ran.code, "Traceback" in ran.err) == (7, False), ran
    assert f"analysis/{name}: cannot be written: is a directory [E703]" in ran.err
    assert (workspace.folder / "junit.xml").exists() is (name != "results.json")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/dev/stdout", "is not a regular file"),
        ("/dev/full", "is not a regular file"),
        ("output", "is a directory"),
        ("spec.yaml/report", "not a directory"),
        ("x" * 300, "file name too long"),
    ],
)
@pytest.mark.parametrize("option", ["--junitxml", "--sarif"])
def test_where_no_file_can_be_written_nothing_is_measured(workspace, option, path, why):
    ran = workspace.run("spec.yaml", option, path, *ONE)
    assert (ran.code, (workspace.folder / "analysis").exists()) == (4, False), ran
    assert (
        ran.err == f"{option} {path!r}: {why} [E201]\n  hint: name a file, which may be new, and so may its folders\n"
    )


def test_nor_is_anything_merged(workspace):
    ran = workspace.mechint("merge", "shard1", "-o", "merged", "--sarif", "output")
    assert (ran.code, ran.err.splitlines()[0]) == (4, "--sarif 'output': is a directory [E201]")


@pytest.mark.parametrize("arguments", [(), ("--collect-only",), ("--json",)])
def test_full_standard_output_is_said_and_all_is_measured(workspace, monkeypatch, arguments):
    class Full(io.StringIO):
        def write(self, text):
            refuse(errno.ENOSPC)

    with monkeypatch.context() as context:
        context.setattr(sys, "stdout", Full())
        ran = workspace.run("spec.yaml", *arguments)
    assert (ran.code, "Traceback" in ran.err) == (7, False), ran
    assert "no space left on device" in ran.err
    done = [] if "--collect-only" in arguments else ["DONE"] * 4
    assert [path.name for path in workspace.folder.glob("analysis/*/DONE")] == done


def test_so_is_a_full_device():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "mechint", "explain", "E101"]
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (7, "refused by the system: no space left on device [E703]\n")


@pytest.mark.parametrize(
    "arguments",
    [("x" * 300,), ("spec.yaml", "--models", "x" * 300), ("spec.yaml", "--from-runs", "x/" * 3000)],
)
def test_a_path_that_is_too_long_is_wrong_usage(workspace, arguments):
    ran = workspace.run(*arguments)
    assert (ran.code, "Traceback" in ran.err) == (4, False), ran
    assert "ile name too long" in ran.err
