"""Drawing again a run that never happened; what a real one leaves is compared in tests/acceptance."""

import json
from pathlib import Path

import pytest

from mechint import hookimpl
from mechint.engine.exit import ExitCode
from mechint.engine.plugins import Plugins, list_plugins
from mechint.engine.redraw import redraw_run
from mechint.engine.run import Finished
from mechint.errors import UsageError
from mechint.files import sha256_of
from mechint.results.reporting import Reporting
from mechint.results.store import write_done, write_item, write_report
from mechint.results.values import ItemReport, Outcome
from mechint.spec.options import OptionsModel
from mechint.spec.values import Spec
from tests.raising import listed, write_raising
from tests.reports import broken_item, failed_item, make_item, make_run, marked_item, save_circuit, save_search

DRAWN = ("circuit_analysis_report.md", "kv_channel_importance.png", "sparsity_curves.png")


class Observer:
    """Remembers what it is told."""

    def __init__(self):
        self.told = []

    @hookimpl
    def mechint_redraw_started(self, report):
        self.told.append(("started", len(report.items)))
        self.trackers = list(report.spec.trackers)

    @hookimpl
    def mechint_item_finished(self, report, folder):
        self.told.append(("finished", report.id))

    @hookimpl
    def mechint_run_finished(self, report):
        self.told.append(("run finished",))


def save_run(folder: Path, *items: ItemReport, **changed) -> Path:
    """A run's folder, as far as its arrays; what is drawn of them is missing."""
    for item in items:
        place = folder / item.id
        place.mkdir(parents=True)
        if item.measured:
            save_circuit(place / "final_masks.pt", layers=2)
            save_search(place / "metrics.jsonl", steps=5)
            write_item(item, place)
            write_done(place)
    write_report(make_run(items, **changed), folder)
    return folder


def passed_run(folder: Path, *items: ItemReport) -> Path:
    return save_run(folder, *(items or (make_item("stepV0"),)), outcome=Outcome.PASSED, exit_code=0)


def plugins_with(*observers: object) -> Plugins:
    plugins = Plugins(list_plugins())
    plugins.load("markdown")
    for observer in observers:
        plugins.add(observer)
    return plugins


def redraw(folder: Path, *observers: object, spec: Spec | None = None) -> Finished:
    return redraw_run(folder, plugins_with(*observers), Reporting(), spec)


def rewrite(folder: Path, **changed: object) -> None:
    path = folder / "results.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def test_figures_and_reports_are_drawn_and_the_results_are_left_alone(tmp_path):
    run = passed_run(tmp_path / "run", make_item("stepV2"), make_item("stepV10"))
    before = sha256_of(run / "results.json")
    finished = redraw(run)
    assert (finished.code, finished.broken) == (ExitCode.PASSED, ())
    assert all((run / item / name).is_file() for item in ("stepV2", "stepV10") for name in DRAWN)
    assert (run / "report.md").read_text().index("stepV2") < (run / "report.md").read_text().index("stepV10")
    assert sha256_of(run / "results.json") == before


def test_the_hashes_are_those_of_what_was_drawn(tmp_path):
    run = passed_run(tmp_path / "run")
    redraw(run)
    hashes = json.loads((run / "stepV0/DONE").read_text())
    assert {name: sha256_of(run / "stepV0" / name) for name in DRAWN}.items() <= hashes.items()


@pytest.mark.parametrize(
    ("items", "outcome", "code"),
    [
        ((make_item("a"), failed_item("b")), Outcome.FAILED, ExitCode.FAILED),
        ((make_item("a"), broken_item("b")), Outcome.ERROR, ExitCode.INCOMPLETE),
        ((make_item("a", outcome=Outcome.WARNED),), Outcome.WARNED, ExitCode.PASSED),
        ((make_item("a", outcome=Outcome.UNDECIDED),), Outcome.UNDECIDED, ExitCode.UNDECIDED),
    ],
)
def test_the_exit_code_is_the_runs(tmp_path, items, outcome, code):
    run = save_run(tmp_path / "run", *items, outcome=outcome, exit_code=code)
    assert redraw(run).code is code


@pytest.mark.parametrize(("item", "code"), [(make_item("a"), ExitCode.INCOMPLETE), (failed_item("a"), ExitCode.FAILED)])
def test_merged_shards_of_which_one_was_lost_stay_incomplete(tmp_path, item, code):
    run = save_run(tmp_path / "run", item, outcome=item.outcome, exit_code=code, selected=("a", "b"))
    assert redraw(run).code is code


def test_of_a_skipped_item_observers_hear_nothing(tmp_path):
    run, observer = passed_run(tmp_path / "run", make_item("a"), marked_item(Outcome.SKIPPED)), Observer()
    assert redraw(run, observer).code is ExitCode.PASSED
    assert observer.told == [("started", 2), ("finished", "a"), ("run finished",)]
    assert list((run / "item-skipped").iterdir()) == []


def test_an_interrupted_run_stays_interrupted(tmp_path):
    run = save_run(tmp_path / "run", make_item("a"), outcome=Outcome.INTERRUPTED, exit_code=2, interrupted=True)
    assert redraw(run).code is ExitCode.INTERRUPTED


def test_observers_see_each_item_and_then_the_run(tmp_path):
    run, observer = passed_run(tmp_path / "run", make_item("a"), make_item("b")), Observer()
    redraw(run, observer)
    assert observer.told == [("started", 2), ("finished", "a"), ("finished", "b"), ("run finished",)]


def test_trackers_are_those_of_the_spec_on_the_command_line(tmp_path):
    observer = Observer()
    facts = {"path": "spec.yaml", "sha256": "0" * 64, "name": "kv", "description": "", "tags": ()}
    spec = Spec(**facts, checkpoints=(), output_dir="run", cells=(), trackers={"tensorboard": OptionsModel()})
    redraw(passed_run(tmp_path / "run"), observer, spec=spec)
    assert observer.trackers == ["tensorboard"]


def test_an_observer_that_raises_leaves_the_reports_and_makes_it_an_internal_error(tmp_path):
    class Broken:
        @hookimpl
        def mechint_item_finished(self, report):
            raise ValueError("no more ink")

    run = passed_run(tmp_path / "run")
    finished = redraw(run, Broken())
    assert finished.code is ExitCode.INTERNAL
    assert [str(error) for _, error in finished.broken] == ["no more ink"]
    assert (run / "report.md").is_file()


def test_a_tracker_that_raises_costs_the_run_nothing(tmp_path, monkeypatch):
    write_raising(tmp_path / "inkless.py", "mechint_item_finished", tracker=True)
    monkeypatch.syspath_prepend(tmp_path)
    spec = make_run().spec.model_copy(update={"trackers": {"inkless": {}}})
    run = save_run(tmp_path / "run", make_item("a"), outcome=Outcome.PASSED, exit_code=0, spec=spec)
    finished = redraw_run(run, Plugins({**list_plugins(), "inkless": listed("inkless")}), Reporting())
    assert (finished.code, [name for name, _ in finished.broken]) == (ExitCode.PASSED, ["inkless"])


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"outcome": "failed"}, "states failed with exit code 0, and its items come to passed with 0"),
        ({"exit_code": 1}, "states passed with exit code 1"),
        ({"interrupted": True}, "its items come to interrupted with 2"),
    ],
)
def test_a_report_that_contradicts_itself_is_refused(tmp_path, changed, why):
    run = passed_run(tmp_path / "run")
    rewrite(run, **changed)
    with pytest.raises(UsageError, match=why):
        redraw(run)


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", "", ".hidden", "..", "/tmp", "a\nb"])
def test_an_item_cannot_lead_out_of_the_folder(tmp_path, name):
    run = passed_run(tmp_path / "run")
    (item,) = json.loads((run / "results.json").read_text())["items"]
    rewrite(run, items=[{**item, "id": name}])
    with pytest.raises(UsageError, match="cannot be an item's id"):
        redraw(run)


def test_a_link_in_an_items_place_is_refused(tmp_path):
    run = passed_run(tmp_path / "run")
    (run / "stepV0").rename(tmp_path / "elsewhere")
    (run / "stepV0").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="the folder of stepV0 is missing"):
        redraw(run)


@pytest.mark.parametrize("name", ["final_masks.pt", "metrics.jsonl"])
def test_arrays_that_are_missing_or_changed_are_refused_before_anything_is_written(tmp_path, name):
    run = passed_run(tmp_path / "run", make_item("stepV0"), make_item("stepV1"))
    with (run / "stepV1" / name).open("ab") as stream:
        stream.write(b"\n")
    with pytest.raises(UsageError, match=f"{name}: has changed since the run"):
        redraw(run)
    (run / "stepV1" / name).unlink()
    with pytest.raises(UsageError, match=f"{name} is missing"):
        redraw(run)
    assert not any((run / "stepV0" / drawn).exists() for drawn in DRAWN)


@pytest.mark.parametrize(
    ("method", "why"), [({"name": "kv_circit"}, "did you mean 'kv_circuit'"), ({}, "was found by None")]
)
def test_a_method_that_is_not_installed_is_named(tmp_path, method, why):
    run = passed_run(tmp_path / "run", make_item("stepV0", method=method))
    with pytest.raises(UsageError, match=f"stepV0 was found by .*{why}|{why}"):
        redraw(run)


def test_metrics_without_stages_are_refused(tmp_path):
    run = passed_run(tmp_path / "run")
    (run / "stepV0/metrics.jsonl").write_text('{"loss": 1.0}\n')
    write_done(run / "stepV0")
    with pytest.raises(UsageError, match="a row has no stage or no step"):
        redraw(run)
