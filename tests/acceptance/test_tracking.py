"""Tracked runs of the program, as users start it."""

import csv
import json
import math
import os
import re
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mechint.results.store import read_metrics, read_report
from tests.acceptance.conftest import SPEC
from tests.installed import install
from tests.tiny_workspace import write_workspace
from tests.tracked import inspect, kept_by_wandb, records

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests/example_tracker.py"
PAGE = ROOT / "docs/tracking.md"
CANARY = "ca1a" * 10
ONE_MODEL = ("--models", "output/final_model_stepV0.pt")
ONE_ITEM = ("--set", "matrix.method.target_sparsity=[0.5]")
PATIENT = """
from mechint import cli
from mechint.plugins import wandb
wandb.PATIENCE = 600.0  # a machine with much to do is no server that hangs
cli.main()
"""


def run(folder: Path, trackers: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """``mechint run`` of the workspace's spec with trackers in it, in a process and a home of its own."""
    (folder / "spec.yaml").write_text(f"{SPEC}tags: [kv, small]\n{trackers}")
    (folder / "home").mkdir(exist_ok=True)
    import matplotlib

    fonts = {"MPLCONFIGDIR": matplotlib.get_cachedir()}  # a new home would have its list of fonts made first
    own = {**fonts, "HOME": str(folder / "home"), "PYTHONPATH": os.pathsep.join([str(folder / "site"), *sys.path])}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    command = [sys.executable, "-c", PATIENT, "run", "spec.yaml", *ONE_MODEL, *arguments]
    return subprocess.run(
        command, cwd=folder, env={**environment, **own, **variables}, capture_output=True, text=True, check=False
    )


TRACKERS = """\
wandb: {project: gpt2-mechint-kv-circuits, mode: offline}
tensorboard: {}
curve_table: {file: all.csv}
full_board: {}
"""


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """A run of two items that everything tracks at once: what ships, an installed tracker and one that raises."""
    folder = tmp_path_factory.mktemp("tracked")
    make_workspace(folder)
    install(folder / "site", "curve_table", EXAMPLE.read_text())
    step = "        self._rows +="
    broken = EXAMPLE.read_text().replace(step, f"        raise OSError('the board is full')\n{step}")
    install(folder / "site", "full_board", broken)
    return folder, run(folder, TRACKERS, WANDB_API_KEY=CANARY)


@pytest.fixture(scope="module")
def folder(tracked):
    return tracked[0]


def make_workspace(folder: Path) -> None:
    write_workspace(folder)
    (folder / "output/final_model_stepV1.pt").unlink()


@pytest.fixture(scope="module")
def kept(folder):
    return kept_by_wandb(folder / "analysis")


@pytest.fixture(scope="module")
def report(folder):
    return read_report(folder / "analysis/results.json")


def test_every_item_is_a_run_of_wandb_with_the_values_of_its_report(kept, report):
    assert kept.keys() == {"comparison", *(item.id for item in report.items)}
    for item in report.items:
        summary = kept[item.id]["summary"]
        told = {name: summary.get(f"mechint/{name}") for name in item.measures}
        assert told == item.measures
        assert {site.site: summary[f"mechint/sparsity/{site.site}"] for site in item.sites} == {
            site.site: site.sparsity for site in item.sites
        }
        assert summary["mechint/loss"] == item.values["circuit"]["loss"]


def test_curves_are_those_of_metrics_jsonl(folder, kept):
    for name in kept.keys() - {"comparison"}:
        rows = read_metrics(folder / "analysis" / name / "metrics.jsonl")
        history = [record["item"] for record in records(kept[name], "history") if "mechint/loss" in record["item"]]
        for key in ("loss", "sparsity", "target_sparsity"):
            assert [point[f"mechint/{key}"] for point in history] == [row[key] for row in rows]


def test_the_layers_are_a_table(folder, kept, report):
    for item in report.items:
        told = kept[item.id]
        path = told["folder"] / "files" / told["summary"]["mechint/layer_summary"]["path"]
        table = json.loads(path.read_text())
        rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
        assert [(row["site"], row["n_channels"], row["n_kept"], row["mean_importance"]) for row in rows] == [
            (site.site, site.units, site.kept, site.mean_score) for site in item.sites
        ]
        assert all(math.isfinite(row["std_importance"]) for row in rows)


def test_the_query_of_the_page_reads_sparsity_and_loss(kept, report):
    """As far as it can be run without a server: a stand-in gives what ``wandb.Api().runs`` would."""
    (query,) = re.findall(r"```python\nimport wandb\n\n(.*?)```", PAGE.read_text(), re.DOTALL)

    class Run:
        def __init__(self, told):
            self.name, self.summary, self.config = told["name"], told["summary"], told["config"]

    class Wandb:
        @staticmethod
        def Api():  # noqa: N802
            return Wandb

        @staticmethod
        def runs(project):
            return [Run(told) for told in kept.values() if told["project"] == project.split("/")[-1]]

    lines = []
    exec(query, {"wandb": Wandb, "print": lines.append})
    base = report.items[0]
    told = [(item.id, item.measures) for item in report.items] + [("comparison", base.measures)]
    assert sorted(lines) == sorted(
        f"{name}: {measures['sparsity']:.1%} sparsity, {measures['loss']:.4f} loss" for name, measures in told
    )


def holding_the_key(folder):
    return [path for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


def test_no_file_holds_the_key(folder):
    assert holding_the_key(folder) == []
    assert all(CANARY not in inspect(path) for path in (folder / "analysis/wandb").glob("offline-run-*"))


def test_nothing_of_wandb_lies_outside_the_output(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["analysis", "data", "home", "output", "site", "spec.yaml"]


def test_tensorboard_has_a_run_for_each_item_too(folder, report):
    shown = folder / "analysis/tensorboard"
    assert sorted(path.name for path in shown.iterdir()) == sorted(item.id for item in report.items)


class Unauthorized(BaseHTTPRequestHandler):
    """Answers 401 to whatever is asked."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_error(401)

    do_GET = do_PUT = do_POST  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def server(request):
    """The address of a server that is of no use: it is nowhere, shut, mute, or knows nobody."""
    with socket.create_server(("127.0.0.1", 0)) as mute, ThreadingHTTPServer(("127.0.0.1", 0), Unauthorized) as strict:
        threading.Thread(target=strict.serve_forever, daemon=True).start()
        ports = {"shut": 9, "mute": mute.getsockname()[1], "strict": strict.server_port}
        # A name with an empty part has no address, for which no resolver is asked.
        yield "http://no..where" if request.param == "nowhere" else f"http://127.0.0.1:{ports[request.param]}"
        strict.shutdown()


@pytest.fixture(scope="module")
def untracked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("untracked")
    make_workspace(folder)
    assert run(folder, "", *ONE_ITEM, "--in-process").returncode == 0
    return folder


@pytest.mark.parametrize("server", ["nowhere", "shut", "mute", "strict"], indirect=True)
def test_a_server_of_no_use_costs_a_notice(server, untracked, tmp_path):
    make_workspace(tmp_path)
    access = {"WANDB_BASE_URL": server, "WANDB_API_KEY": CANARY}
    ran = run(tmp_path, "wandb: {mode: online}\n", *ONE_ITEM, "--in-process", **access)
    assert ran.returncode == 0
    first, second = ran.stderr.splitlines()
    assert re.match("wandb: W&B goes on offline: [A-Za-z]*Error", first)
    assert second == "  hint: wandb sync analysis/wandb/*run-*"
    assert measured(tmp_path) == measured(untracked)
    assert kept_by_wandb(tmp_path / "analysis").keys() == {"stepV0-target_sparsity0.5"}
    assert CANARY not in ran.stderr + ran.stdout
    assert holding_the_key(tmp_path) == []


def measured(folder):
    """What a run's only item came to, but for how long it took."""
    (item,) = read_report(folder / "analysis/results.json").items
    return item.model_copy(update={"seconds": 0.0})


def test_anybody_can_write_a_tracker(folder, report):
    with (folder / "analysis/all.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    for item in report.items:
        metrics = read_metrics(folder / "analysis" / item.id / "metrics.jsonl")
        losses = [float(row["value"]) for row in rows if (row["item"], row["key"]) == (item.id, "mechint/loss")]
        assert losses == [row["loss"] for row in metrics]


def test_a_tracker_that_raises_costs_a_message(tracked):
    folder, ran = tracked
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("OSError: the board is full") == 1
    last = ran.stderr.splitlines()[-1]
    assert last == "observer mechint_full_board.CurveTable broke; the other reports are complete"
    assert (folder / "analysis/report.md").is_file()


def test_wandb_says_nothing(tracked):
    assert "wandb" not in tracked[1].stdout + tracked[1].stderr


def test_the_page_shows_the_tracker_as_it_is():
    assert EXAMPLE.read_text().strip() in PAGE.read_text()
