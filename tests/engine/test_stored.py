from dataclasses import replace

import numpy as np

from mechint.circuit.effect_map import save_effects
from mechint.engine.measured import Measured
from mechint.engine.stored import EFFECTS, MEASURED, load_measured, read_facts, save_measured
from mechint.faithfulness.effects import describe_effects
from mechint.faithfulness.estimate import mean
from tests.effects import peaked
from tests.engine.items import item_asserting
from tests.reports import make_item

KEY = "ab" * 32


def stored(folder, item, effects=()):
    """An item that is saved and read back, beside itself."""
    report = make_item(item.id, nodeid=item.nodeid, family=item.family, cell={}, effects=describe_effects(effects))
    measured = Measured(
        item=item,
        report=report,
        folder=folder,
        estimates={"loss": mean(np.array([1.0, 2.5, 2.0])), "faithfulness": None},
        effects=effects,
        flaw="no span",
        higher_is_better=frozenset({"faithfulness"}),
    )
    save_measured(measured, KEY)
    save_effects(effects, folder / EFFECTS)
    return measured, load_measured(item, folder, read_facts(folder))


def test_everything_that_judging_takes_comes_back(tmp_path):
    before, after = stored(tmp_path, item_asserting("sparsity >= 0.5"))
    assert read_facts(tmp_path)["key"] == KEY
    assert after.report.model_copy(update={"checkpoint": before.report.checkpoint}) == before.report
    assert (after.flaw, after.higher_is_better) == (before.flaw, before.higher_is_better)
    assert after.estimates["loss"].error == before.estimates["loss"].error
    assert after.estimates["faithfulness"] is None


def test_maps_of_effects_come_back_where_an_assertion_names_one(tmp_path):
    one = replace(peaked((4, 1)), clusters=np.arange(40) // 4)
    _, after = stored(tmp_path, item_asserting("mlp_out.4@last >= 0"), (one,))
    (found,) = after.effects
    assert np.array_equal(found.values, one.values)
    assert np.array_equal(found.clusters, one.clusters)
    assert (found.rows, found.columns, found.title) == (one.rows, one.columns, one.title)


def test_maps_of_effects_stay_on_disk_otherwise(tmp_path):
    _, after = stored(tmp_path, item_asserting("sparsity >= 0.5"), (peaked((4, 1)),))
    assert after.effects == ()


def test_the_report_is_given_this_runs_names(tmp_path):
    item = item_asserting("sparsity >= 0.5")
    stored(tmp_path, item)
    other = replace(item, id="other", family="others", spec="new.yaml")
    report = load_measured(other, tmp_path, read_facts(tmp_path)).report
    assert (report.id, report.family, report.nodeid) == ("other", "others", "new.yaml::other")
    assert report.checkpoint.path == "model.pt"


def test_a_folder_without_or_with_damaged_facts_holds_nothing(tmp_path):
    assert read_facts(tmp_path) is None
    (tmp_path / MEASURED).write_bytes(b"\x00" * 100)
    assert read_facts(tmp_path) is None
