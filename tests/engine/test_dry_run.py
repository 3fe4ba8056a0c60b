from dataclasses import replace

import pytest

from mechint.engine import dry_run
from mechint.engine.analyze import analyze
from mechint.engine.batch_size import Fit
from mechint.engine.dry_run import Forecast, describe_forecast, forecast
from mechint.engine.probe import Probe
from mechint.journal import Journal
from mechint.subject.work import CountedWork
from tests.engine.ready import ready_item


@pytest.mark.parametrize(
    "method",
    [
        "{name: kv_circuit, steps: 40, batch_size: 8}",
        "{name: kv_circuit, steps: 40, batch_size: 16, estimator: swap}",
        "{name: kv_circuit, steps: 40, batch_size: 64, estimator: straight_through, patience: 90}",
        "{name: neuron_importance, points: 12, batch_size: 8}",
        "{name: head_pruning, scores: leave_one_out, batch_size: 8}",
        "{name: layer_relevance, quantities: [direct, lens], batch_size: 8}",
    ],
)
def test_the_work_of_small_searches_gives_that_of_the_whole(method):
    item, plugins, ready = ready_item(method, search=48)
    options = item.cell.method.options
    predicted = dry_run._work(options, Probe(item, plugins, ready), options.batch_size)
    with CountedWork() as counted:
        analyze(item, plugins, ready, Journal())
    assert predicted == pytest.approx(counted.operations, rel=0.25)


@pytest.fixture
def told(monkeypatch):
    item, plugins, ready = ready_item("{name: kv_circuit, steps: 20, batch_size: 8}")
    monkeypatch.setattr(dry_run, "prepare", lambda *_: ready)
    return forecast(item, plugins)


def test_a_forecast_has_time_memory_and_batch_sizes(told):
    assert told.search_seconds > 0
    assert told.measure_seconds > 0
    assert told.seconds == told.load_seconds + told.search_seconds + told.measure_seconds
    assert told.batch_size == 8
    assert told.fastest in (4, 8, 32)


def test_stability_searches_as_often_again(monkeypatch):
    item, plugins, ready = ready_item("{name: kv_circuit, steps: 20, batch_size: 8}")
    judged = item.cell.faithfulness
    stable = judged.model_copy(update={"controls": judged.controls.model_copy(update={"stability": 3})})
    monkeypatch.setattr(dry_run, "prepare", lambda *_: ready)
    monkeypatch.setattr(Probe, "rate", lambda *_, **__: 1e9)
    once = forecast(item, plugins).search_seconds
    often = forecast(replace(item, cell=replace(item.cell, faithfulness=stable)), plugins).search_seconds
    assert often == pytest.approx(4 * once)


def lines(**changed):
    given = {
        "item": "spec.yaml::step",
        "load_seconds": 1.0,
        "search_seconds": 90.0,
        "measure_seconds": 5.25,
        "batch_size": 16,
        "fit": Fit(fixed=100 * 2**20, each=2 * 2**20, memory=1000 * 2**20),
        "fastest": 64,
    }
    return list(describe_forecast(Forecast(**given | changed)))


def test_a_forecast_in_words():
    assert lines() == [
        "spec.yaml::step",
        "  search       90.0s",
        "  measurement  5.2s",
        "  peak memory  132 of 1,000 MiB",
        "  batch size   16; up to 128 fit in half of the memory; fastest: 64",
    ]


def test_where_nothing_fits_the_words_say_so():
    assert "not even 1 fits" in lines(fit=Fit(fixed=0.0, each=100.0, memory=10))[-1]


def test_a_method_without_batches_has_no_line_on_them():
    assert len(lines(batch_size=None)) == 4
