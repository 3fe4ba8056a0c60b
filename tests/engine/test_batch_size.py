import pytest

from mechint.engine.batch_size import Fit, choose, fit_memory, settle_batch_size
from mechint.errors import DataError
from mechint.journal import Journal
from mechint.subject.memory import weight_bytes
from tests.engine.ready import probe_of, ready_item

AUTO = "{name: kv_circuit, batch_size: auto}"


@pytest.mark.parametrize(("memory", "chosen"), [(1000, 64), (127, 32), (20, 8), (3, 1)])
def test_the_largest_candidate_that_fits_in_half_of_the_memory(memory, chosen):
    assert choose(Fit(fixed=0.0, each=1.0, memory=memory), 100) == chosen


def test_a_batch_is_no_larger_than_the_examples_are_many():
    assert choose(Fit(fixed=0.0, each=1.0, memory=10_000), 20) == 16


def test_weights_count():
    assert choose(Fit(fixed=40.0, each=1.0, memory=100), 100) == 8


def test_where_not_one_example_fits_the_message_says_so():
    with pytest.raises(DataError, match="takes 3 MiB, more than half of the 4 MiB that there are"):
        choose(Fit(fixed=0.0, each=3.0 * 2**20, memory=4 << 20), 10)


def test_the_memory_of_a_larger_batch_lies_on_the_line():
    probe = probe_of("{name: kv_circuit}")
    _, _, ready = ready_item("{name: kv_circuit}")
    fit = fit_memory(probe, ready.subject)
    assert fit.taken(16) == pytest.approx(weight_bytes(ready.subject) + probe.peak(16), rel=0.2)


def test_auto_becomes_a_number_and_the_journal_says_so():
    item, plugins, ready = ready_item(AUTO, search=20)
    journal = Journal()
    settled = settle_batch_size(item, plugins, ready, journal)
    assert settled.cell.method.options.batch_size == 16
    assert journal.notes == ["batch_size auto: 16 of 64, 32, 16, 8, 4, 2, 1, the largest that fits in memory"]
    assert settled.id == item.id


def test_a_number_stays():
    item, plugins, ready = ready_item("{name: kv_circuit, batch_size: 5}")
    assert settle_batch_size(item, plugins, ready, Journal()) is item
