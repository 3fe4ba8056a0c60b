"""``--dry-run``: what the items of a plan will take, from a step of each.

1. Count the work of the search with few examples and small budgets, and once more with each of them doubled. Work is a
   sum of products of the number of examples, the batch size and one budget, so these counts give the work of the whole.
2. Time a few steps at the item's own batch size: work over speed is the time of the search.
3. Time a forward pass of the protocol, and count how many it makes.
4. Count the memory of two small batches: that of others lies on a line through them.

Nothing is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mechint.engine.batch_size import Fit, choose, fit_memory, with_batch_size
from mechint.engine.plugins import Plugins
from mechint.engine.prepare import Prepared, prepare
from mechint.engine.probe import BATCH, Probe
from mechint.engine.smoke import BUDGETS, shrink_options
from mechint.journal import Journal
from mechint.spec.options import AUTO, OptionsModel
from mechint.spec.values import Item

__all__ = ["Forecast", "describe_forecast", "forecast"]

COMPARED = (4, 8, 32)
"""Batch sizes whose speed is compared, beside the item's own."""
LARGEST = 4096
"""Batch size up to which is said what fits."""
_BATCHES = (2, 4)
"""Batch sizes that work is counted at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What one item will take."""

    item: str
    """Its node id."""
    load_seconds: float
    """For the checkpoint and the task's examples; measured, not predicted."""
    search_seconds: float
    measure_seconds: float
    batch_size: int | None
    """The item's own; None for a method that has none."""
    fit: Fit
    fastest: int | None
    """The batch size with the most work done in a second, of those that were compared."""

    @property
    def seconds(self) -> float:
        """All together; figures are not counted."""
        return self.load_seconds + self.search_seconds + self.measure_seconds


def forecast(item: Item, plugins: Plugins) -> Forecast:
    """Load the item's checkpoint, make its task and try a step; raises what a run of the item would report."""
    started = time.perf_counter()
    ready = prepare(item, plugins)
    loaded = time.perf_counter() - started
    fit = fit_memory(Probe(item, plugins, ready), ready.subject)
    stated = getattr(item.cell.method.options, BATCH, None)
    if stated is AUTO:
        stated = choose(fit, len(ready.task.search))
        item = with_batch_size(item, stated)
    probe = Probe(item, plugins, ready)
    own = min(stated or COMPARED[0], probe.examples)
    sizes = {own, *_compared(fit, probe.examples, stated)}
    rates = {size: probe.rate(size, goes=2 if size == own else 1) for size in sorted(sizes)}
    work = _work(item.cell.method.options, probe, stated)
    searches = 1 + item.cell.faithfulness.controls.stability
    return Forecast(
        item=item.nodeid,
        load_seconds=loaded,
        search_seconds=searches * work / rates[own],
        measure_seconds=_measurement(item, ready, probe),
        batch_size=stated,
        fit=fit,
        fastest=None if stated is None else max(rates, key=rates.__getitem__),
    )


def describe_forecast(told: Forecast) -> Iterator[str]:
    """The lines that a person reads of it."""
    from mechint.results.describe import duration

    yield told.item
    yield f"  search       {duration(told.search_seconds)}"
    yield f"  measurement  {duration(told.measure_seconds)}"
    peak, memory = told.fit.taken(told.batch_size or 1) / 2**20, told.fit.memory / 2**20
    yield f"  peak memory  {peak:,.0f} of {memory:,.0f} MiB"
    if told.batch_size is not None:
        fitting = [size for size in _powers() if told.fit.fits(size)]
        largest = f"up to {fitting[-1]} fit" if fitting else "not even 1 fits"
        yield f"  batch size   {told.batch_size}; {largest} in half of the memory; fastest: {told.fastest}"


def _powers() -> list[int]:
    return [1 << power for power in range(LARGEST.bit_length())]


def _compared(fit: Fit, examples: int, stated: int | None) -> Sequence[int]:
    return [size for size in COMPARED if size <= examples and fit.fits(size)] if stated is not None else []


def _work(options: OptionsModel, probe: Probe, batch_size: int | None) -> float:
    """Floating-point operations of the whole search."""
    base = shrink_options(options)
    plain = _line(probe, batch_size, {})
    work = plain
    few, _ = probe.fewest
    for name, (small, large, whole) in _budgets(base, options).items():
        if probe.work(few, {BATCH: _BATCHES[0], name: large}) == probe.work(few, {BATCH: _BATCHES[0]}):
            continue  # an option that this search does not use
        work += (_line(probe, batch_size, {name: large}) - plain) * (whole - small) / (large - small)
    return work


def _budgets(small: OptionsModel, whole: OptionsModel) -> Mapping[str, tuple[int, int, int]]:
    """By name the options that a small search spends less on: small, twice that or all, and all."""
    found = {}
    for name in BUDGETS:
        low, high = getattr(small, name, 0), getattr(whole, name, 0)
        if low < high:
            found[name] = (low, min(2 * low, high), high)
    return found


def _line(probe: Probe, batch_size: int | None, options: Mapping[str, object]) -> float:
    """The work on all examples at the item's batch size: a product of two lines through what is counted."""

    whole = min(batch_size or 1, probe.examples)

    def by_batch(examples: int) -> float:
        if batch_size is None:
            return probe.work(examples, options)
        return _extrapolate(lambda size: probe.work(examples, {**options, BATCH: size}), _BATCHES, whole)

    few, _ = probe.fewest
    return _extrapolate(by_batch, (few, min(2 * few, probe.examples)), probe.examples)


def _extrapolate(count: Callable[[int], float], at: tuple[int, int], wanted: int) -> float:
    first, second = at
    low = count(first)
    if first == second or wanted == first:
        return low
    return low + (count(second) - low) * (wanted - first) / (second - first)


def _measurement(item: Item, ready: Prepared, probe: Probe) -> float:
    """Seconds of the protocol: its forward passes times what one of them takes on a batch of held-out examples."""
    from mechint.faithfulness.models import choose_models
    from mechint.faithfulness.protocol import BATCH as TOGETHER
    from mechint.faithfulness.protocol import measure

    judged, circuit = item.cell.faithfulness, probe.fewest[1].circuit
    models = choose_models(circuit, judged.controls, judged.curve, item.cell.seed)
    heldout = ready.task.heldout
    task = replace(ready.task, heldout=heldout.take(slice(0, TOGETHER)))
    one = replace(models, kept={"circuit": models.kept["circuit"]})
    ready.ablation.at([units.site for units in circuit.space.sites])
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        measure(ready.subject, task, circuit.space, one, ready.ablation, ready.metrics, Journal())
        seconds.append(time.perf_counter() - started)
    passes = (1 + len(models.kept)) * len(heldout) / len(task.heldout)
    return min(seconds) / 2 * passes
