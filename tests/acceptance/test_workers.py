"""Items in processes of their own: one run in which items end in several ways, and what it leaves."""

import contextlib
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.deadly import environment, spec
from tests.processes import PATIENCE, started, wait_for
from tests.tiny_workspace import write_workspace

ENDS = {
    "segfault": "crashed",
    "exit_zero": "exited",
    "grandchild": "exited",
    "cpu_allocator": "oom",
    "keyboard_interrupt": "KeyboardInterrupt",
    "too_many_files": "WriteError",
}
WAYS = ("fine", *ENDS, "large_batch", "prints")


def mechint(folder, *arguments):
    command = [sys.executable, "-m", "mechint", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The folder of a run over all of them, and what the program said."""
    folder = tmp_path_factory.mktemp("deadly")
    write_workspace(folder)
    matrix = f"{{method.way: [{', '.join(WAYS)}]}}"
    (folder / "spec.yaml").write_text(spec("{name: deadly}", matrix))
    return folder, mechint(folder, "run", "spec.yaml", "-n", "2")


HUNG = """
import time
from pathlib import Path
from types import SimpleNamespace
from mechint import cli
from mechint.engine import pool
pool.time = SimpleNamespace(monotonic=lambda: time.monotonic() + 3600 * Path("hangs").exists())
cli.main()
"""


@pytest.fixture(scope="module")
def hung(tmp_path_factory):
    """The folder of a run whose only item hangs; to the program an hour goes by then."""
    folder = tmp_path_factory.mktemp("hung")
    write_workspace(folder)
    (folder / "spec.yaml").write_text(spec("{name: deadly}", "{method.way: [deadlock]}", limits="{time: 50m}"))
    command = [sys.executable, "-c", HUNG, "run", "spec.yaml"]
    subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, check=False)
    return folder


@pytest.fixture(scope="module")
def items(ran):
    report = json.loads((ran[0] / "analysis/results.json").read_text())
    return {item["method"]["way"]: item for item in report["items"]}


def test_the_run_is_incomplete_and_all_items_are_there_in_order(ran, items):
    assert ran[1].returncode == 7, ran[1]
    assert tuple(items) == WAYS


@pytest.mark.parametrize("way", ENDS)
def test_each_is_blamed_for_its_own_end(items, way):
    assert (items[way]["outcome"], items[way]["error"]["kind"]) == ("error", ENDS[way])


@pytest.mark.parametrize("way", ["fine", "large_batch", "prints"])
def test_the_others_finish(ran, items, way):
    assert items[way]["outcome"] == "passed"
    assert (ran[0] / f"analysis/stepV0-way_{way}/DONE").exists()


def test_too_many_open_files_are_said_with_what_to_do(items):
    message = items["too_many_files"]["error"]["message"]
    assert "metrics.jsonl: cannot be written: too many open files\n  hint: raise the limit on open files" in message


def test_memory_that_ran_out_is_tried_for_again_and_said(items):
    assert "memory ran out; in passes of at most 4 examples" in items["large_batch"]["summary"][0]


def test_what_is_printed_is_kept_from_the_terminal_and_within_bounds(ran):
    folder, program = ran
    printed = folder / "analysis/stepV0-way_prints/output.log"
    assert "xxxx" not in program.stdout + program.stderr
    assert 1 << 16 < printed.stat().st_size < 1 << 20
    assert "bytes are left out" in printed.read_text()


def test_a_crash_shows_where_it_was(items):
    assert "deadly_method.py" in items["segfault"]["error"]["traceback"]


def test_one_that_takes_too_long_is_stopped(hung):
    (item,) = json.loads((hung / "analysis/results.json").read_text())["items"]
    assert (item["outcome"], item["error"]["kind"]) == ("error", "timeout")


def test_what_was_measured_until_the_end_is_kept(hung):
    rows = (hung / "analysis/stepV0-way_deadlock/metrics.jsonl").read_text()
    assert json.loads(rows) == {"stage": "deadly", "step": 0, "loss": 1.0}


def test_nothing_that_an_item_started_outlives_it(ran):
    said = (ran[0] / "analysis/stepV0-way_grandchild/output.log").read_text()
    (number,) = re.findall(r"grandchild (\d+)", said)
    assert not is_alive(int(number))


def test_an_item_that_was_measured_is_not_measured_again(ran):
    folder, _ = ran
    again = mechint(folder, "run", "spec.yaml", "--set", 'matrix={"method.way": ["fine", "fine_too"]}')
    assert again.returncode == 0, again
    assert re.search(r"way_fine +PASSED.* cached", again.stdout)
    assert "cached" not in next(line for line in again.stdout.splitlines() if "fine_too" in line)


def test_the_programs_own_process_gives_the_same_bits(ran):
    folder, _ = ran
    arguments = ("--in-process", "--force", "--set", 'matrix={"method.way": ["fine"]}', "--set", "output_dir=here")
    assert mechint(folder, "run", "spec.yaml", *arguments).returncode == 0
    here, there = folder / "here/stepV0-way_fine", folder / "analysis/stepV0-way_fine"
    assert (here / "final_masks.pt").read_bytes() == (there / "final_masks.pt").read_bytes()
    before, after = (load_file(one / "per_example.safetensors") for one in (here, there))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_request_to_end_keeps_what_is_finished(tmp_path):
    write_workspace(tmp_path)
    matrix = "{method.way: [fine, deadlock]}"
    (tmp_path / "spec.yaml").write_text(spec("{name: deadly}", matrix))
    command = [sys.executable, "-m", "mechint", "run", "spec.yaml"]
    with started(command, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE) as running:
        wait_for(tmp_path / "analysis/stepV0-way_fine/DONE", running)
        workers = children(running.pid)
        running.send_signal(signal.SIGTERM)
        said, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode == 2, said
    report = json.loads((tmp_path / "analysis/results.json").read_text())
    assert (report["interrupted"], [item["outcome"] for item in report["items"]]) == (True, ["passed"])
    assert workers
    assert not any(map(is_alive, workers))


# Whoever starts the tests in the background starts them deaf to interrupts, and so their children.
HEARING = """
import signal
from mechint import cli
signal.signal(signal.SIGINT, signal.default_int_handler)
cli.main()
"""


def test_the_first_interrupt_writes_what_is_finished_and_the_second_does_not_wait(tmp_path):
    write_workspace(tmp_path)
    (tmp_path / "spec.yaml").write_text(spec("{name: deadly}", "{method.way: [fine, deadlock]}"))
    command = [sys.executable, "-c", HEARING, "run", "spec.yaml", "-p", "hanging"]
    with started(command, cwd=tmp_path, env=environment(tmp_path), stderr=subprocess.PIPE) as running:
        for sign in ("hangs", "finishing"):
            wait_for(tmp_path / sign, running)
            running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=PATIENCE)[1]
    assert (running.returncode, said.strip()) == (2, "")
    report = json.loads((tmp_path / "analysis/results.json").read_text())
    assert (report["interrupted"], [item["id"] for item in report["items"]]) == (True, ["stepV0-way_fine"])


def is_alive(process):
    """Whether it runs; one whose exit status nobody has asked for does not."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(parent):
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(status.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(status.parent.name))
    return found
