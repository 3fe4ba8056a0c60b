"""Thousands of interventions on one forward pass, each measured as if it were run alone, computing only what changes.

1. The run that is patched is recorded: the residual stream that every layer reads, what its heads give, and its keys
   and values.
2. An intervention begins at the first position at which it puts something else than is there already; one that never
   does is the recorded run. Those that begin at about the same position share forward passes. Each enters a pass where
   it begins to change it, with what is recorded there; the pass has the recorded keys and values of earlier positions.
3. As many interventions run together as a budget of memory allows. What one of them takes is measured first; where
   memory runs out nevertheless, the pass is cut in two.
4. Logits are made where the examples are scored, and so is what follows the last layer's attention.

The numbers are those of one plain pass for each intervention, but for rounding. Where a model does not allow a way of
leaving something out, its passes compute that too, and the journal says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.errors import is_out_of_memory
from mechint.journal import Journal
from mechint.search.base_run import Base, activations, run_base
from mechint.search.finished import Finished, digest_of
from mechint.search.passes import TOKENS, Begin, Pass, plan_passes
from mechint.search.patched_run import Cell, Patch, PatchedRun, Placed, Read, place
from mechint.search.shortcuts import try_shortcuts
from mechint.subject.peak_memory import PeakMemory
from mechint.subject.readout import Readout
from mechint.subject.subject import Subject

__all__ = ["BUDGET", "Base", "Cell", "Patch", "Read", "activations", "run_base", "sweep"]

BUDGET = 1 << 30
"""Bytes."""
_BESIDE = 3
"""How many times its tensors a pass takes at most, with what kernels and the allocator take beside them: up to 2.5
times was seen in the first passes of a process."""
READ_TOGETHER = 1024
"""Positions whose predictions are read at once, where the budget allows it."""
_BYTES = 4
"""Of a logit."""


@torch.no_grad()
def sweep(
    subject: Subject,
    base: Base,
    source: Mapping[Site, Tensor],
    cells: Sequence[Cell],
    read: Read,
    journal: Journal,
    *,
    budget: int = BUDGET,
    stage: str = "sweep",
) -> Tensor:
    """What ``read`` makes of every example under every intervention ``[c b]``.

    ``source`` holds an activation, broadcastable to ``[b p u]``, for every site of a patch without a value. ``budget``
    is what the passes may hold, in bytes, beside the base and the source.
    """
    placed = [place(subject, base, source, cell) for cell in cells]
    values = read(base.readout, base.examples).cpu().repeat(len(cells), 1)
    positions = {cell.begin.position for cell in placed if cell.begin is not None}
    if not positions:
        return values
    running = try_shortcuts(PatchedRun(subject=subject, base=base, read=read), positions, journal)
    begins = {number: begin for number, cell in enumerate(placed) if (begin := running.begin(cell)) is not None}
    values[list(begins)] = torch.nan
    found = Finished.find(journal, stage, digest_of(subject, base, placed, read), values)
    longest = min(begins, key=lambda number: (begins[number].position, begins[number].entry))
    begin = begins.pop(longest)
    if not found.most:
        found.most, alone = _measure(running, placed[longest], begin, budget, journal)
        found.add([longest], lambda: alone, last=not begins)
    passes = plan_passes(
        begins,
        examples=len(base.examples),
        positions=base.examples.tokens.shape[1],
        layers=subject.shape.n_layer,
        most=found.most,
        tokens=TOKENS if subject.device.type == "cpu" else None,
        together=running.joining,
    )
    done = 0
    for group in _read_together(passes, base.readout, budget):
        found.add(
            [number for one in group for number in one.cells],
            partial(_run_passes, running, group, placed, begins, journal),
            last=group[-1] is passes[-1],
        )
        done += len(group)
        journal.progress(stage, done, len(passes))
    return found.values


def _measure(running: PatchedRun, cell: Placed, begin: Begin, budget: int, journal: Journal) -> tuple[int, Tensor]:
    """How many interventions fit in a pass, by one that takes most, run alone; and its values ``[1 b]``."""
    with PeakMemory() as memory:
        values = running.values(running.predict([cell], [begin.entry], begin.position).last, 1)
    taken = _BESIDE * memory.peak
    if taken > budget:
        journal.note(
            f"one intervention on {len(running.base.examples)} examples takes {taken / 2**20:.0f} MiB, which is "
            f"more than the {budget / 2**20:.0f} MiB that a sweep may take"
        )
    return max(1, budget // taken), values


def _read_together(passes: Sequence[Pass], readout: Readout, budget: int) -> Iterator[list[Pass]]:
    """Passes whose predictions are read at once: an unembedding of few positions takes nearly as long as of many."""
    most = min(READ_TOGETHER, budget // (_BESIDE * _BYTES * readout.n_vocab))
    group: list[Pass] = []
    for one in passes:
        rows = len(readout.last) * sum(len(other.cells) for other in (*group, one))
        if group and (rows > most or readout.unembed is None):
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def _run_passes(
    running: PatchedRun, group: Sequence[Pass], placed: Sequence[Placed], begins: Mapping[int, Begin], journal: Journal
) -> Tensor:
    """What is read of every example under the interventions of some passes ``[c b]``."""
    parts = []
    for one in group:

        def predict(numbers: Sequence[int], position: int = one.position) -> Tensor:
            entries = [begins[number].entry for number in numbers]
            return running.predict([placed[number] for number in numbers], entries, position).last

        parts.append(_halving(predict, one.cells, journal))
    last = torch.cat(parts).unflatten(0, (-1, len(running.base.readout.last)))  # [c n d]
    return _halving(lambda rows: running.values(last[rows].flatten(0, 1), len(rows)), range(len(last)), journal)


def _halving(compute: Callable[[Sequence[int]], Tensor], cells: Sequence[int], journal: Journal) -> Tensor:
    """What is computed for some interventions, one after another; in two halves where memory runs out."""
    try:
        return compute(cells)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error) or len(cells) == 1:
            raise
    # Outside of the handler, whose error holds on to what had been made.
    half = len(cells) // 2
    journal.note(f"memory ran out with {len(cells)} interventions in a pass; they were run in two halves")
    return torch.cat([_halving(compute, part, journal) for part in (cells[:half], cells[half:])])
