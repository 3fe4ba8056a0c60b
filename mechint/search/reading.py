"""What a sweep reads of every pass: one number an example, by a metric."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from mechint.search.patched_run import Read
from mechint.subject.readout import Readout
from mechint.task.examples import Examples
from mechint.task.metric import Metric, Reading
from mechint.task.score import read_values

__all__ = ["reader"]


def reader(metric: Metric, reading: Reading, full: Readout, count: int) -> Read:
    """A metric's score or loss, of some examples one after another as often as they come.

    ``full`` are the full model's predictions on each of the ``count`` examples once.
    """

    def read(readout: Readout, examples: Examples) -> Tensor:
        again = None
        if "full" in metric.needs:
            again = replace(full, last=full.last.repeat(len(examples) // count, 1))
        (values,) = read_values([reading], readout, examples, again)
        return values

    return read
