import pytest

from mechint.engine.probe import Probe
from mechint.errors import DataError
from tests.engine.ready import probe_of, ready_item

KV = "{name: kv_circuit, steps: 100, batch_size: 8}"


def test_a_search_on_few_examples_finds_a_circuit_of_the_whole_space():
    count, analysis = probe_of(KV).fewest
    assert count == 4
    assert analysis.circuit.space.size == len(analysis.circuit.kept)


def test_more_examples_are_tried_where_few_are_refused():
    class Picky(Probe):
        def _search(self, examples, options):
            if examples < 16:
                raise DataError("too few")
            return examples

    assert Picky(*ready_item(KV)).fewest == (16, 16)


def test_what_refuses_all_examples_is_raised():
    class Broken(Probe):
        def _search(self, examples, options):
            raise DataError(f"{examples} do not do")

    with pytest.raises(DataError, match="32 do not do"):
        _ = Broken(*ready_item(KV)).fewest


def test_work_is_the_same_every_time_and_grows_with_steps():
    probe = probe_of(KV)
    few, again, more = (probe.work(4, {"steps": steps, "batch_size": 2}) for steps in (12, 12, 24))
    assert few == again < more


def test_a_larger_batch_takes_more_memory():
    probe = probe_of(KV)
    assert probe.peak(2) < probe.peak(8)


def test_speed_is_operations_a_second():
    assert 1e5 < probe_of(KV).rate(4) < 1e14


def test_a_stretch_leaves_no_hook_behind():
    item, plugins, ready = ready_item(KV)
    Probe(item, plugins, ready).peak(4)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in ready.subject.model.modules())
