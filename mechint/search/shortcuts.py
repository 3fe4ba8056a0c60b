"""What the passes of a sweep may leave out of a model: tried on the run that is patched, never believed.

That run is run again the short way, with nothing put in its place. Where a model raises an error or gives other
numbers, its passes compute the whole, and the journal says why.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.errors import first_line
from mechint.journal import Journal
from mechint.search.patched_run import PatchedRun, Placed, first_true
from mechint.subject.fused import find_written_out
from mechint.subject.joining import Entry, find_attention
from mechint.subject.narrow import find_mlp, find_projection
from mechint.subject.resume import recording
from mechint.subject.subject import Subject

__all__ = ["try_shortcuts"]

_TOLERANCE = 1e-4
"""How far a short pass may be from the recorded one, relative to what it gives."""
_NOTHING = Placed(puts=(), begin=None)
_FIRST = Entry(layer=0)


def try_shortcuts(plain: PatchedRun, positions: Collection[int], journal: Journal) -> PatchedRun:
    """The run with the shortcuts that its model allows; interventions begin at ``positions``."""
    run = _try_prefix(plain, set(positions) - {0}, journal)
    for attempt in (_try_narrow, _try_fused, _try_joining):
        run = attempt(run, journal)
    return run


def _try_prefix(run: PatchedRun, positions: set[int], journal: Journal) -> PatchedRun:
    """With the base's keys and values, where passes that begin behind some of them give the base run's numbers."""
    base = run.base
    why = base.why_whole
    if base.cached is not None:
        trying = replace(run, cached=base.cached)
        tried = positions or {first_true(base.examples.where)}
        why = next(filter(None, (_differs(trying, [_FIRST], at) for at in sorted({min(tried), max(tried)}))), None)
        if why is None:
            return trying
        why = f"behind given keys and values {why}"
    if positions:
        _note_once(
            journal,
            f"interventions are run on all positions, also on those before the first that they change: {why}",
        )
    return run


def _try_narrow(run: PatchedRun, journal: Journal) -> PatchedRun:
    """With modules of the last layer at the scored positions alone."""
    last = run.subject.shape.n_layer - 1
    found = (find_projection(run.subject, last), find_mlp(run.subject, last))
    trying = replace(run, narrow=tuple(module for module in found if module is not None))
    if not trying.narrow or run.base.examples.where.all():
        return run
    why = _differs(trying, [Entry(layer=last)], position=0)
    if why is None:
        return trying
    _note_once(journal, f"the last layer is run at all positions: at single ones {why}")
    return run


def _try_fused(run: PatchedRun, journal: Journal) -> PatchedRun:
    """With activation functions that are computed at once."""
    trying = replace(run, written_out=find_written_out(run.subject.model))
    if not trying.written_out:
        return run
    why = _differs(trying, [Entry(layer=run.subject.shape.n_layer - 1)], position=0)
    if why is None:
        return trying
    _note_once(journal, f"activation functions are computed as they are written out: at once {why}")
    return run


def _try_joining(run: PatchedRun, journal: Journal) -> PatchedRun:
    """With interventions that enter a pass on its way, also behind attention."""
    last = run.subject.shape.n_layer - 1
    position = 0 if run.cached is None else first_true(run.base.examples.where)
    ways = [_FIRST, Entry(layer=last), Entry(layer=last, behind=True)]
    why = f"the table of {run.subject.architecture.name} leads to no module of attention"
    if find_attention(run.subject, last) is not None:
        found = _differs(run, ways, position)
        if found is None:
            return replace(run, joining=True, behind=True)
        why = f"behind attention {found}"
    _note_once(journal, f"interventions on what attention gives begin with the layer: {why}")
    found = _differs(run, ways[:2], position)
    if found is None:
        return replace(run, joining=True)
    _note_once(journal, f"interventions that begin at different layers are run apart: together {found}")
    return run


def _differs(trying: PatchedRun, entries: Sequence[Entry], position: int) -> str | None:
    """How passes of the base run itself, from some places and a position on, are not what was recorded, as a clause."""
    subject, base = trying.subject, trying.base
    name, count = subject.architecture.name, len(base.examples)
    try:
        with recording(subject) as again:
            seen = trying.predict([_NOTHING] * len(entries), entries, position)
    except Exception as error:  # what a family does not allow, it raises in its own way
        return f"{name} does not run: {first_line(error)}"
    real = base.examples.real[:, position:].to(subject.device)
    streams = [Site(layer, "resid_pre") for layer in range(entries[0].layer + 1, subject.shape.n_layer)]
    pairs = [
        (again.activations[site][:count][real], base.recorded.activations[site][:, position:][real]) for site in streams
    ]
    pairs.append((seen.last, base.readout.last.repeat(len(entries), 1)))
    return None if all(_same(*pair, subject) for pair in pairs) else f"{name} computes other numbers"


def _same(found: Tensor, known: Tensor, subject: Subject) -> bool:
    """Whether values ``[n d]`` are equal but for rounding."""
    if not known.numel():
        return True
    known, found = known.float(), found.float()
    bound = _TOLERANCE + torch.finfo(subject.dtype).eps * subject.shape.n_layer
    return bool(((found - known).abs() <= bound * (known.abs() + known.square().mean().sqrt())).all())


def _note_once(journal: Journal, text: str) -> None:
    if text not in journal.notes:
        journal.note(text)
