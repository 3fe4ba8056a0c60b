"""Short stretches of an item's own search: what work it is, how fast that is done, and how much memory it takes.

Nothing here knows a method. Work is the number of floating-point operations, which PyTorch counts; a stretch is the
beginning of a search, up to the third step that it tells of.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from mechint.engine.analyze import analyze
from mechint.engine.plugins import Plugins
from mechint.engine.prepare import Prepared
from mechint.engine.smoke import shrink_options, with_values
from mechint.errors import MechintError
from mechint.journal import Journal, Progress
from mechint.spec.options import OptionsModel
from mechint.spec.values import Item

if TYPE_CHECKING:
    from mechint.circuit.circuit import Analysis

__all__ = ["BATCH", "Probe"]

STRETCH = 3
"""Steps of a search, as its journal tells them, that are timed; the first is no more than a step of any method."""
FEWEST = 4
"""Examples that are tried first."""
BATCH = "batch_size"
PATIENCE = "patience"
"""Stays as the spec has it: a small one would end small searches early, and say nothing of the whole."""


class _Enough(BaseException):
    """Ends a search at the end of a stretch; no method's own ``except Exception`` may hold it."""


class Probe:
    """Runs an item's method with few examples and small budgets."""

    def __init__(self, item: Item, plugins: Plugins, ready: Prepared) -> None:
        self._item = item
        self._plugins = plugins
        self._ready = ready
        self._counted: dict[tuple[int, frozenset[tuple[str, object]]], int] = {}

    @property
    def examples(self) -> int:
        """How many search examples the item has."""
        return len(self._ready.task.search)

    @cached_property
    def fewest(self) -> tuple[int, Analysis]:
        """The fewest examples, of 4, 8, 16 …, that the method does not refuse, and what it finds on them.

        What it finds has the right space, and no meaning. Raises what the method raises on all examples.
        """
        count = min(FEWEST, self.examples)
        while True:
            try:
                return count, self._search(count, {BATCH: count})
            except MechintError:
                if count == self.examples:
                    raise
            count = min(2 * count, self.examples)

    def work(self, examples: int, options: Mapping[str, object]) -> int:
        """Floating-point operations of the search on the first examples, with small budgets but for some options."""
        from mechint.subject.work import CountedWork

        key = examples, frozenset(options.items())
        if key not in self._counted:
            with CountedWork() as counted:
                self._search(examples, options)
            self._counted[key] = int(counted.operations)
        return self._counted[key]

    def peak(self, batch_size: int) -> int:
        """Bytes of the tensors that the stretch makes, at its fullest; the model's own are not among them."""
        from mechint.subject.peak_memory import PeakMemory

        with PeakMemory() as memory:
            self._stretch(batch_size)
        return int(memory.peak)

    def rate(self, batch_size: int, goes: int = 1) -> float:
        """Floating-point operations a second over the stretch, the fastest of some goes."""
        from mechint.subject.work import CountedWork

        with CountedWork() as counted:
            self._stretch(batch_size)
        return max(float(counted.operations), 1.0) / min(self._seconds(batch_size) for _ in range(goes))

    def _seconds(self, batch_size: int) -> float:
        started = time.perf_counter()
        self._stretch(batch_size)
        return time.perf_counter() - started

    def _stretch(self, batch_size: int) -> None:
        """The beginning of the whole search, on a batch or as many examples as it needs."""
        told = 0

        def watch(_: Progress) -> None:
            nonlocal told
            told += 1
            if told == STRETCH:
                raise _Enough

        options = self._item.cell.method.options
        if hasattr(options, BATCH):
            options = with_values(options, {BATCH: batch_size})
        try:
            self._analyze(max(batch_size, self.fewest[0]), options, watch)
        except _Enough:
            return

    def _search(self, examples: int, options: Mapping[str, object]) -> Analysis:
        whole = self._item.cell.method.options
        small = shrink_options(whole)
        wanted = {PATIENCE: getattr(whole, PATIENCE, None), **options}
        known = {name: value for name, value in wanted.items() if name in type(small).model_fields}
        return self._analyze(examples, with_values(small, known), lambda _: None)

    def _analyze(self, examples: int, options: OptionsModel, watch: Callable[[Progress], None]) -> Analysis:
        method = self._item.cell.method
        cell = replace(self._item.cell, method=replace(method, options=options))
        return analyze(
            replace(self._item, cell=cell), self._plugins, _first(self._ready, examples), Journal(watch=watch)
        )


def _first(ready: Prepared, examples: int) -> Prepared:
    """The same with the first search examples alone, and ablations from those."""
    from mechint.task.ablation import Ablation

    task = replace(ready.task, search=ready.task.search.take(slice(0, examples)))
    known = ready.ablation
    ablation = Ablation(name=known.name, subject=known.subject, reference=task.search, seed=known.seed)
    return replace(ready, task=task, ablation=ablation)
