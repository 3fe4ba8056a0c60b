from dataclasses import replace
from pathlib import Path

import pytest

from mechint.engine.death import error_facts
from mechint.engine.item import broken_item
from mechint.engine.job import Job, with_less
from mechint.search.options import MaskOptions
from mechint.spec.options import OptionsModel
from tests.engine.items import item_asserting


@pytest.fixture
def job():
    """Of an item whose method has batches of sixteen."""
    return Job(item=item_asserting("sparsity >= 0.5"), folder=Path("item"))


def ended(job, error):
    return broken_item(job, error_facts(error), 0.0)


def test_where_memory_runs_out_half_a_batch_is_tried(job):
    assert with_less(job, ended(job, MemoryError())).most_at_once == 8


def test_that_is_tried_once(job):
    again = replace(job, most_at_once=8)
    assert with_less(again, ended(again, MemoryError())) is None


def test_other_errors_are_not_tried_again(job):
    assert with_less(job, ended(job, ValueError("no"))) is None


@pytest.mark.parametrize("options", [MaskOptions(batch_size=1), OptionsModel()])
def test_what_has_no_half_is_not_tried_again(job, options):
    method = replace(job.item.cell.method, options=options)
    job = replace(job, item=replace(job.item, cell=replace(job.item.cell, method=method)))
    assert with_less(job, ended(job, MemoryError())) is None
