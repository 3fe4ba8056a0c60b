import importlib.util

import mechint.plugins.tensorboard as plugin
import pytest
from pydantic import ValidationError
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mechint.results.store import read_metrics
from tests.reports import failed_item, make_run
from tests.tracked import ITEM, OTHER, plan_tracked_by, step, write_files


@pytest.fixture
def tracker():
    (tracker,) = plugin.mechint_observers()
    return tracker


def shown(output_dir, item=ITEM):
    accumulator = EventAccumulator(str(output_dir / "tensorboard" / item))
    accumulator.Reload()
    return accumulator


def scalars(events, tag):
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_interleaved_items_keep_their_own_curves(tracker, tmp_path):
    plan = plan_tracked_by("tensorboard", tmp_path)
    tracker.mechint_run_started(plan)
    for number in range(3):
        for item, loss in zip(plan.items, (1.0, 2.0), strict=True):
            tracker.mechint_progress(item, step({"loss": loss + number}))
    tracker.mechint_run_finished(make_run(), tmp_path)
    assert scalars(shown(tmp_path), "mechint/loss") == [(0, 1.0), (1, 2.0), (2, 3.0)]
    assert scalars(shown(tmp_path, OTHER), "mechint/loss") == [(0, 2.0), (1, 3.0), (2, 4.0)]


def test_a_finished_item_shows_measures_figures_and_verdicts(tracker, tmp_path):
    tracker.mechint_run_started(plan_tracked_by("tensorboard", tmp_path))
    report = write_files(tmp_path / ITEM, verdicts=failed_item().verdicts)
    tracker.mechint_item_finished(report, tmp_path / ITEM)
    events = shown(tmp_path)
    ((_, loss),) = scalars(events, "final/mechint/loss")
    assert loss == pytest.approx(report.measures["loss"])
    assert events.Tags()["images"] == ["mechint/viz/kv_channel_importance", "mechint/viz/sparsity_curves"]
    (told,) = events.Tensors("mechint/verdicts/text_summary")
    assert told.tensor_proto.string_val[0].startswith(b"- failed: faithfulness >= 0.8: 0.79996 is not >= 0.8\n")


def test_a_run_of_the_past_is_shown_from_its_files(tracker, tmp_path):
    report = write_files(tmp_path / ITEM)
    tracker.mechint_item_finished(report, tmp_path / ITEM)
    spec = make_run().spec.model_copy(update={"trackers": {"tensorboard": {"figures": False}}})
    tracker.mechint_run_finished(make_run((report,), spec=spec), tmp_path)
    rows = read_metrics(tmp_path / ITEM / "metrics.jsonl")
    assert [value for _, value in scalars(shown(tmp_path), "mechint/loss")] == pytest.approx(
        [row["loss"] for row in rows]
    )
    assert shown(tmp_path).Tags()["images"] == []


def test_a_second_run_takes_the_place_of_the_first(tracker, tmp_path):
    plan = plan_tracked_by("tensorboard", tmp_path)
    for _ in range(2):
        (again,) = plugin.mechint_observers()
        again.mechint_run_started(plan)
        again.mechint_progress(plan.items[0], step({"loss": 1.0}))
        again.mechint_run_finished(make_run(), tmp_path)
    assert len(list((tmp_path / "tensorboard" / ITEM).iterdir())) == 1


def test_a_run_that_names_another_tracker_is_none_of_its_business(tracker, tmp_path):
    plan = plan_tracked_by("wandb", tmp_path)
    tracker.mechint_run_started(plan)
    tracker.mechint_progress(plan.items[0], step({"loss": 1.0}))
    tracker.mechint_item_finished(write_files(tmp_path / ITEM), tmp_path / ITEM)
    tracker.mechint_run_finished(make_run(), tmp_path)
    assert not (tmp_path / "tensorboard").exists()


def test_a_spec_is_refused_where_tensorboard_is_missing(monkeypatch):
    monkeypatch.setattr(plugin, "find_spec", lambda _: None)
    with pytest.raises(ValidationError, match=r"pip install 'mechint\[tensorboard\]'"):
        plugin.Options()
    assert importlib.util.find_spec("tensorboard") is not None
