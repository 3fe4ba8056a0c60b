"""Thousands of interventions on one forward pass, each measured as if it were run alone, computing only what changes.

1. The run that is patched is recorded: the residual stream that every layer reads, and every layer's keys and values.
2. Interventions that begin at the same layer share forward passes. A pass begins at that layer, with the recorded
   stream, and at the first position that one of its interventions changes, with the recorded keys and values before it.
3. As many interventions run together as a budget of memory allows. What one of them takes is measured first; where
   memory runs out nevertheless, the pass is cut in two.
4. Logits are made where the examples are scored, and so is the last MLP's output.

The numbers are those of one plain pass for each intervention, but for rounding. Where a model cannot take keys and
values, or gives other numbers with them, its passes compute all positions, and the journal says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from mechint.circuit.space import Site
from mechint.errors import first_line, is_out_of_memory
from mechint.journal import Journal
from mechint.search.base_run import Base, activations, run_base
from mechint.search.finished import Finished, digest_of
from mechint.search.passes import Begin, Pass, plan_passes
from mechint.search.patched_run import Cell, Patch, PatchedRun, Placed, Read, place
from mechint.subject.narrow import find_mlp
from mechint.subject.peak_memory import PeakMemory
from mechint.subject.prefix import Cached
from mechint.subject.readout import Readout
from mechint.subject.resume import recording
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
_TOLERANCE = 1e-4
"""How far a pass over the last positions alone may be from the recorded one, relative to what it gives."""


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
    plain = PatchedRun(subject=subject, base=base, read=read, cached=None, last_mlp=None)
    prefix = _try_prefix(plain, placed, journal)
    running = replace(plain, cached=prefix, last_mlp=_try_last_mlp(plain, journal))
    begins = [cell.begin if prefix else Begin(layer=cell.begin.layer, position=0) for cell in placed]
    values = read(base.readout, base.examples).cpu().new_full((len(cells), len(base.examples)), torch.nan)
    found = Finished.find(journal, stage, digest_of(subject, base, placed, read), values)
    length = base.examples.tokens.shape[1]
    most = _most_together(running, placed, begins, budget, found, journal) if cells else 1
    passes = plan_passes(begins, examples=len(base.examples), positions=length, most=most)
    done = 0
    for group in _read_together(passes, base.readout, budget):
        found.add(
            [cell for one in group for cell in one.cells],
            partial(_run_passes, running, group, placed, journal),
            last=group[-1] is passes[-1],
        )
        done += len(group)
        journal.progress(stage, done, len(passes))
    return found.values


def _try_prefix(plain: PatchedRun, placed: Sequence[Placed], journal: Journal) -> Cached | None:
    """The base's keys and values, where passes that begin behind some of them give the base run's numbers."""
    positions = {cell.begin.position for cell in placed} - {0}
    if not positions:
        return None
    base = plain.base
    why = base.why_whole
    if base.cached is not None:
        trying = replace(plain, cached=base.cached)
        why = next(filter(None, (_differs(trying, at) for at in sorted({min(positions), max(positions)}))), None)
        if why is None:
            return base.cached
    _note_once(
        journal,
        f"interventions are run on all positions, also on those before the first that they change: {why}",
    )
    return None


def _try_last_mlp(plain: PatchedRun, journal: Journal) -> nn.Module | None:
    """The last layer's MLP, where the base run's predictions are the same with it at the scored positions alone."""
    subject, base = plain.subject, plain.base
    last = subject.shape.n_layer - 1
    mlp = find_mlp(subject, last)
    if mlp is None or base.examples.where.all():
        return None
    try:
        seen = _run_again(replace(plain, last_mlp=mlp), Begin(layer=last, position=0))
        why = None if _same(seen.last, base.readout.last, subject) else "it gives other numbers at single positions"
    except Exception as error:  # what a family does not allow, it raises in its own way
        why = first_line(error)
    if why is not None:
        _note_once(journal, f"the last MLP of {subject.architecture.name} is run at all positions: {why}")
    return mlp if why is None else None


def _differs(trying: PatchedRun, position: int) -> str | None:
    """How a pass of the last positions of the base run itself is not what was recorded, as a clause."""
    subject, base = trying.subject, trying.base
    try:
        with recording(subject) as recorded:
            seen = _run_again(trying, Begin(layer=0, position=position))
    except Exception as error:  # what a family does not allow, it raises in its own way
        return f"{subject.architecture.name} does not run behind given keys and values: {first_line(error)}"
    real = base.examples.real[:, position:].to(subject.device)
    streams = [(recorded.streams[n][real], base.recorded.streams[n][:, position:][real]) for n in recorded.streams]
    if all(_same(found, known, subject) for found, known in (*streams, (seen.last, base.readout.last))):
        return None
    return f"behind given keys and values {subject.architecture.name} computes other numbers"


def _run_again(running: PatchedRun, begin: Begin) -> Readout:
    """What the base run predicts from some layer and position on, with nothing put in its place."""
    return running.predict([Placed(puts=(), begin=begin)], begin)


def _same(found: Tensor, known: Tensor, subject: Subject) -> bool:
    """Whether values ``[n d]`` are equal but for rounding."""
    if not known.numel():
        return True
    known, found = known.float(), found.float()
    bound = _TOLERANCE + torch.finfo(subject.dtype).eps * subject.shape.n_layer
    return bool(((found - known).abs() <= bound * (known.abs() + known.square().mean().sqrt())).all())


def _most_together(
    running: PatchedRun,
    placed: Sequence[Placed],
    begins: Sequence[Begin],
    budget: int,
    found: Finished,
    journal: Journal,
) -> int:
    """How many interventions fit in a pass: the budget over what one of the longest takes alone."""
    if found.most:
        return found.most
    longest = min(range(len(placed)), key=lambda cell: (begins[cell].layer, begins[cell].position))
    with PeakMemory() as memory:
        running.values(running.predict([placed[longest]], begins[longest]).last, 1)
    taken = _BESIDE * memory.peak
    if taken > budget:
        journal.note(
            f"one intervention on {len(running.base.examples)} examples takes {taken / 2**20:.0f} MiB, which is "
            f"more than the {budget / 2**20:.0f} MiB that a sweep may take"
        )
    found.most = max(1, budget // taken)
    return found.most


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


def _run_passes(running: PatchedRun, group: Sequence[Pass], placed: Sequence[Placed], journal: Journal) -> Tensor:
    """What is read of every example under the interventions of some passes ``[c b]``."""
    parts = []
    for one in group:

        def predict(cells: Sequence[int], begin: Begin = one.begin) -> Tensor:
            return running.predict([placed[cell] for cell in cells], begin).last

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


def _note_once(journal: Journal, text: str) -> None:
    if text not in journal.notes:
        journal.note(text)
