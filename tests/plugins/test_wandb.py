"""The observer and the process beside it, on a run that never happened; nothing here knows a server of W&B."""

import os
import signal
from pathlib import Path

import mechint.plugins.wandb as plugin
import pytest

from mechint.comparison.compare import compare
from mechint.comparison.report import write_files as write_files_of_comparison
from mechint.comparison.store import read_comparison
from mechint.results.store import read_metrics
from tests.comparison.runs import made, write_run
from tests.reports import broken_item, failed_item, make_item, make_run
from tests.tracked import ITEM, OTHER, kept_by_wandb, plan_tracked_by, records, step, write_files


@pytest.fixture(autouse=True, scope="module")
def _patience():
    """W&B has all the time that it needs, as a machine with much to do is no server that hangs."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(plugin, "PATIENCE", 600.0)
        monkeypatch.setattr(plugin, "STOP_SECONDS", 600.0)
        yield


def start(output_dir, **options):
    plan = plan_tracked_by("wandb", output_dir, **options)
    (tracker,) = plugin.mechint_observers()
    tracker.mechint_run_started(plan)
    return tracker, plan


def finish(tracker, output_dir, *names, **changed):
    for name in names:
        tracker.mechint_item_finished(write_files(output_dir / name, name, **changed), output_dir / name)
    tracker.mechint_run_finished(make_run(), output_dir)


def curve(run, key="mechint/loss"):
    return [row["item"][key] for row in records(run, "history") if key in row["item"]]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One of two items that were in flight at once."""
    output_dir = tmp_path_factory.mktemp("run")
    tracker, plan = start(output_dir, project="gpt2-mechint-kv-circuits", mode="offline")
    for item in plan.items:
        tracker.mechint_item_started(item)
    for number in range(20):
        for item, loss in zip(plan.items, (1.0, 2.0), strict=True):
            tracker.mechint_progress(item, step({"loss": loss + number, "l1_loss": 0.5, "temperature": 0.9}))
            tracker.mechint_progress(item, step({}, stage="faithfulness"))
    finish(tracker, output_dir, ITEM, OTHER, verdicts=failed_item().verdicts)
    return kept_by_wandb(output_dir)


def test_an_item_is_a_run(run):
    told = run[ITEM]
    assert (told["project"], told["name"], told["tags"]) == ("gpt2-mechint-kv-circuits", ITEM, ["kv", "t" * 64])
    (opened,) = records(told, "run")
    assert (opened["run_group"], opened["job_type"]) == ("invented", "kv_circuit")


def test_items_in_flight_at_once_keep_their_own_curves(run):
    assert curve(run[ITEM]) == [1.0 + number for number in range(20)]
    assert curve(run[OTHER]) == [2.0 + number for number in range(20)]
    assert curve(run[ITEM], "mechint/l1_loss") == [0.5] * 20


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mechint/loss", make_item().measures["loss"]),
        ("mechint/sparsity", make_item().measures["sparsity"]),
        ("mechint/faithfulness", make_item().measures["faithfulness"]),
        ("mechint/sparsity/v.3", make_item().sites[-1].sparsity),
        ("mechint/verdict/faithfulness >= 0.8", "failed"),
        ("mechint/outcome", "passed"),
    ],
)
def test_the_summary_is_the_report(run, key, value):
    assert run[ITEM]["summary"][key] == value


def test_figures_tables_and_masks_are_there(run):
    summary = run[ITEM]["summary"]
    assert summary["mechint/viz/kv_channel_importance"]["_type"] == "image-file"
    assert (summary["mechint/layer_summary"]["ncols"], summary["mechint/layer_summary"]["nrows"]) == (8, 8)
    masks = [record for record in records(run[ITEM], "artifact") if record["name"] == "kv_masks"]
    assert [record["type"] for record in masks] == ["masks"]


def test_copies_of_masks_stay_below_the_output(run):
    (masks,) = [record for record in records(run[ITEM], "artifact") if record["name"] == "kv_masks"]
    (file,) = masks["manifest"]["contents"]
    assert file["local_path"].startswith(str(run[ITEM]["folder"].parent))


def test_the_configuration_is_that_of_the_item(run):
    config = run[ITEM]["config"]
    assert config["method"]["target_sparsity"] == 0.8
    assert config["checkpoint"]["sha256"] == "ab" * 32
    assert config["spec"]["name"] == "invented"


def test_a_run_of_the_past_is_logged_from_its_files(tmp_path, capsys):
    (tracker,) = plugin.mechint_observers()
    report = write_files(tmp_path / ITEM)
    tracker.mechint_item_finished(report, tmp_path / ITEM)
    spec = make_run().spec.model_copy(update={"trackers": {"wandb": {"mode": "offline"}}})
    tracker.mechint_run_finished(make_run((report,), spec=spec), tmp_path)
    told = kept_by_wandb(tmp_path)[ITEM]
    assert curve(told) == [row["loss"] for row in read_metrics(tmp_path / ITEM / "metrics.jsonl")]
    assert told["summary"]["mechint/loss"] == report.measures["loss"]
    assert capsys.readouterr() == ("", "")


def test_a_comparison_is_a_run_of_its_own(tmp_path):
    compared = write_run(tmp_path / "compared", made("stepV0", 0), made("stepV1", 1, lost=1.2))
    tracker, _ = start(tmp_path, mode="offline")
    write_files_of_comparison(compare([compared]), tmp_path / "comparison")
    finish(tracker, tmp_path, ITEM)
    told = kept_by_wandb(tmp_path)
    assert set(told) == {ITEM, "comparison"}
    (opened,) = records(told["comparison"], "run")
    assert (opened["run_group"], opened["job_type"]) == ("invented", "comparison")
    comparison = read_comparison(tmp_path / "comparison/comparison.json")
    summary = told["comparison"]["summary"]
    assert summary["mechint/comparison/conclusion"] == comparison.conclusion
    assert summary["mechint/comparison/beyond_chance"] == len(comparison.findings) > 0
    assert summary["mechint/comparison/differences"]["nrows"] == len(comparison.groups[0].differences)


def test_a_comparison_that_cannot_be_read_costs_a_notice(tmp_path, capsys):
    tracker, _ = start(tmp_path, mode="offline")
    (tmp_path / "comparison").mkdir()
    (tmp_path / "comparison/comparison.json").write_text("{}")
    finish(tracker, tmp_path, ITEM)
    assert "not a comparison of mechint" in capsys.readouterr().err
    assert set(kept_by_wandb(tmp_path)) == {ITEM}


def kill_writer(tracker):
    tracker._writer._process.kill()
    tracker._writer._process.join()


def kill_core(tracker):
    """W&B's own program, a child of the writer, once two items have been opened with it."""
    heard = []
    while len(heard) < 2:
        heard += tracker._writer.answers(within=600.0)
    pid = tracker._writer._process.pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)


@pytest.mark.parametrize(
    ("kill", "why"),
    [(kill_writer, "its process has ended"), (kill_core, "")],  # W&B has several errors for it
)
def test_what_a_killed_process_had_is_logged_again_from_files(kill, why, tmp_path, capsys):
    tracker, plan = start(tmp_path, mode="offline")
    for item in plan.items:
        tracker.mechint_item_started(item)
    kill(tracker)
    tracker.mechint_progress(plan.items[0], step({"loss": 1.0}))
    finish(tracker, tmp_path, ITEM, OTHER)
    assert {name: len(curve(told)) for name, told in kept_by_wandb(tmp_path).items()} == {ITEM: 20, OTHER: 20}
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"wandb: W&B broke and goes on offline: {why}")
    assert second == f"  hint: wandb sync {tmp_path}/wandb/*run-*"


def test_an_item_that_cannot_be_logged_costs_a_notice(tmp_path, capsys):
    tracker, _ = start(tmp_path, mode="offline")
    report = write_files(tmp_path / ITEM)
    (tmp_path / ITEM / "metrics.jsonl").write_text("no JSON")
    tracker.mechint_item_finished(report, tmp_path / ITEM)
    tracker.mechint_run_finished(make_run(), tmp_path)
    assert capsys.readouterr().err.startswith("wandb: W&B broke and goes on offline: UsageError: ")
    assert [curve(told) for told in kept_by_wandb(tmp_path).values() if curve(told)] == []


def test_without_a_login_runs_are_kept_offline(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    tracker, plan = start(tmp_path / "output", mode="online")
    tracker.mechint_item_started(plan.items[0])
    finish(tracker, tmp_path / "output", ITEM)
    assert kept_by_wandb(tmp_path / "output").keys() == {ITEM}
    (first, second) = capsys.readouterr().err.splitlines()
    assert first == "wandb: W&B goes on offline: not logged in"
    assert second == f"  hint: wandb sync {tmp_path}/output/wandb/*run-*"


def test_a_broken_item_is_a_failed_run(tmp_path):
    tracker, _ = start(tmp_path, mode="offline")
    tracker.mechint_item_finished(broken_item(ITEM), tmp_path / ITEM)
    tracker.mechint_run_finished(make_run(), tmp_path)
    told = kept_by_wandb(tmp_path)[ITEM]
    assert (told["state"], told["exit_code"]) == ("failed", 1)
    assert told["summary"]["mechint/error"].startswith("output/final_model_stepV2.pt: the archive")


@pytest.mark.parametrize(("variable", "mode"), [("disabled", "online"), ("", "disabled"), ("Disabled", "offline")])
def test_nothing_is_tracked_where_it_is_disabled(variable, mode, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", variable)
    tracker, plan = start(tmp_path, mode=mode)
    tracker.mechint_item_started(plan.items[0])
    finish(tracker, tmp_path, ITEM)
    assert tracker._writer is None
    assert not (tmp_path / "wandb").exists()
    assert capsys.readouterr() == ("", "")


def test_an_unknown_mode_in_the_environment_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "sideways")
    start(tmp_path)
    assert capsys.readouterr().err.startswith("wandb: WANDB_MODE is 'sideways', none of online, run, offline")


@pytest.mark.parametrize("project", ["", "a/b", "50%", "x" * 129])
def test_names_that_wandb_refuses_are_refused(project):
    with pytest.raises(ValueError, match="project"):
        plugin.Options(project=project)
