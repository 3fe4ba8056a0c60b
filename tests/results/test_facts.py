from mechint.results.facts import blank_item, spec_facts
from mechint.results.values import Outcome
from tests.tracked import ITEM, LONG_TAG, plan_tracked_by


def test_the_facts_of_a_spec_tell_what_tracks_it(tmp_path):
    facts = spec_facts(plan_tracked_by("wandb", tmp_path, mode="offline").spec)
    assert (facts.name, facts.tags) == ("invented", ("kv", LONG_TAG))
    assert facts.trackers == {"wandb": {"project": None, "entity": None, "mode": "offline"}}


def test_a_blank_item_has_its_options_and_no_measures(tmp_path):
    (item, _) = plan_tracked_by("wandb", tmp_path).items
    report = blank_item(item)
    assert (report.id, report.outcome, report.measures) == (ITEM, Outcome.ERROR, {})
    assert report.method["name"] == "kv_circuit"
    assert report.method["target_sparsity"] == 0.8
    assert report.task["metric"] == "loss"
