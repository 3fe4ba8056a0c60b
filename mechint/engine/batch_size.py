"""``batch_size: auto``, and the memory that batches of every size take."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mechint.engine.plugins import Plugins
from mechint.engine.prepare import Prepared
from mechint.engine.probe import BATCH, Probe
from mechint.engine.smoke import with_values
from mechint.errors import DataError
from mechint.journal import Journal
from mechint.spec.options import AUTO
from mechint.spec.values import Item

if TYPE_CHECKING:
    import torch

    from mechint.subject.subject import Subject

__all__ = ["CANDIDATES", "Fit", "fit_memory", "is_settled", "main_memory", "settle_batch_size", "with_batch_size"]

CANDIDATES = (64, 32, 16, 8, 4, 2, 1)
"""What ``auto`` chooses from, the first that fits: a fixed list, so that the same machine gives the same bits."""
SHARE = 0.5
"""Of the machine's memory that weights and batch may take: other programs, and what an operation takes for itself while
it runs, are not counted."""
_CGROUP = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The memory that a batch takes, in bytes."""

    fixed: float
    """For the weights, and whatever else does not grow with the batch."""
    each: float
    """For an example."""
    memory: int
    """That there is."""

    def taken(self, batch_size: int) -> float:
        return self.fixed + self.each * batch_size

    def fits(self, batch_size: int) -> bool:
        return self.taken(batch_size) <= SHARE * self.memory


def settle_batch_size(item: Item, plugins: Plugins, ready: Prepared, journal: Journal) -> Item:
    """The item with a number for ``batch_size: auto``, and a note of it; raises DataError where not one example fits.

    The choice follows from the item and the size of the machine's memory alone, never from how fast or how busy it is:
    for a search that draws a batch each step the batch size is a part of the method.
    """
    if is_settled(item):
        return item
    probe = Probe(item, plugins, ready)
    chosen = choose(fit_memory(probe, ready.subject), probe.examples)
    journal.note(f"batch_size auto: {chosen} of {', '.join(map(str, CANDIDATES))}, the largest that fits in memory")
    return with_batch_size(item, chosen)


def is_settled(item: Item) -> bool:
    """Whether the batch size is a number, or the method has none."""
    return getattr(item.cell.method.options, BATCH, None) is not AUTO


def main_memory() -> int:
    """Bytes of the machine's memory, whatever of it is in use, and no more than its container may take."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    stated = _CGROUP.read_text().strip() if _CGROUP.is_file() else ""
    return min(physical, int(stated)) if stated.isdecimal() else physical


def choose(fit: Fit, examples: int) -> int:
    """The largest candidate that fits, and is no larger than the search examples are many."""
    usable = [size for size in CANDIDATES if size <= examples and fit.fits(size)]
    if not usable:
        raise DataError(
            f"a batch of one example takes {fit.taken(1) / 2**20:,.0f} MiB, more than half of the "
            f"{fit.memory / 2**20:,.0f} MiB that there are\n  hint: use shorter examples, or state a batch_size"
        )
    return usable[0]


def with_batch_size(item: Item, batch_size: int) -> Item:
    """The item with that number in its method's options."""
    method = item.cell.method
    options = with_values(method.options, {BATCH: batch_size})
    return replace(item, cell=replace(item.cell, method=replace(method, options=options)))


def fit_memory(probe: Probe, subject: Subject) -> Fit:
    """What batches take: others than two small ones, which are counted, lie on the line through those."""
    from mechint.subject.memory import weight_bytes

    few, _ = probe.fewest
    sizes = sorted({few, min(2 * few, probe.examples)})
    peaks = [probe.peak(size) for size in sizes]
    each = (peaks[-1] - peaks[0]) / (sizes[-1] - sizes[0]) if len(sizes) > 1 else peaks[0] / sizes[0]
    fixed = weight_bytes(subject) + max(peaks[0] - each * sizes[0], 0.0)
    return Fit(fixed=fixed, each=each, memory=_memory(subject.device))


def _memory(device: torch.device) -> int:
    """Bytes of the device's memory."""
    import torch

    return int(torch.cuda.get_device_properties(device).total_memory) if device.type == "cuda" else main_memory()
