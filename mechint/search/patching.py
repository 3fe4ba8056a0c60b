"""Activation patching: what the metric becomes when a part of one run is replaced by what it was in another.

Noising runs the clean prompts and puts in what the corrupted ones give, which tests whether a place is needed.
Denoising runs the corrupted prompts and puts in what the clean ones give, which tests whether it suffices (Zhang and
Nanda 2023, arXiv:2309.16042). The two are not each other's mirror.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mechint.errors import DataError
from mechint.journal import Journal
from mechint.search.patch_grid import Grid
from mechint.search.patched_run import Read
from mechint.search.reading import reader
from mechint.search.sweep import activations, run_base, sweep
from mechint.subject.subject import Subject
from mechint.task.examples import Examples
from mechint.task.metric import Metric
from mechint.task.task import Task

__all__ = ["Batch", "Direction", "Patching", "Scale", "measure_exactly", "measure_scale", "patching_of"]

Direction = Literal["noising", "denoising"]
_HALF_INTERVAL = 1.96
"""In standard errors."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patching:
    """Pairs of prompts, and which of them runs and which gives."""

    subject: Subject
    metric: Metric
    clean: Examples
    corrupted: Examples
    direction: Direction
    batch_size: int
    budget: int
    """Bytes that the passes of a sweep may hold."""

    @torch.no_grad()
    def batches(self) -> Iterator[Batch]:
        """Pairs that are run together, in order."""
        size = self.subject.at_once(self.batch_size)
        pairs = zip(self.clean.batches(size), self.corrupted.batches(size), strict=True)
        for clean, corrupted in pairs:
            full = self.subject.readout(clean.tokens, clean.mask, clean.where)
            base, source = (clean, corrupted) if self.direction == "noising" else (corrupted, clean)
            yield Batch(base=base, source=source, read=reader(self.metric, self.metric.score, full, len(clean)))

    def effect(self, patched: Tensor, base: Tensor) -> Tensor:
        """What patching took away from the clean run, or gave back to the corrupted one, in the metric's unit."""
        return base - patched if self.direction == "noising" else patched - base


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Some of the pairs."""

    base: Examples
    """They run."""
    source: Examples
    """They give what is put in."""
    read: Read
    """The metric; differentiable in what the model predicts where the metric is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What effects are divided by: the mean difference between the clean and the corrupted run."""

    difference: float
    sure: bool
    """Whether it is outside of its own 95 % interval around 0; otherwise effects are left in the metric's unit."""
    unit: str
    higher_is_better: bool

    @property
    def divisor(self) -> float:
        """1 or -1 where effects are left as they are, so that what helps is positive."""
        return self.difference if self.sure else (1.0 if self.higher_is_better else -1.0)

    @property
    def quantity(self) -> str:
        return "share of the difference between clean and corrupted" if self.sure else self.unit


def patching_of(subject: Subject, task: Task, direction: Direction, *, batch_size: int, budget: int) -> Patching:
    """Patching on a task's search examples; DataError where they are not pairs of as many tokens."""
    clean, corrupted = task.search, task.search.corrupted
    if corrupted is None:
        raise DataError(
            "activation patching takes activations from corrupted prompts, and the task has none\n"
            "  hint: use a task of prompt pairs, such as ioi"
        )
    apart = (clean.real != corrupted.real).any(1)
    if apart.any():
        raise DataError(
            f"activation patching needs clean and corrupted prompts of as many tokens; {int(apart.sum())} of "
            f"{len(clean)} search examples differ\n  hint: leave those examples out"
        )
    return Patching(
        subject=subject,
        metric=task.metric,
        clean=clean,
        corrupted=corrupted,
        direction=direction,
        batch_size=batch_size,
        budget=budget,
    )


@torch.no_grad()
def measure_scale(patching: Patching) -> Scale:
    """The mean difference of the metric between clean and corrupted prompts: one forward pass over each."""
    differences = torch.cat([_difference(patching, batch) for batch in patching.batches()])
    mean = float(patching.clean.mean(differences))
    error = float(differences.std()) / math.sqrt(len(differences)) if len(differences) > 1 else math.inf
    return Scale(
        difference=mean,
        sure=abs(mean) > _HALF_INTERVAL * error,
        unit=patching.metric.unit,
        higher_is_better=patching.metric.higher_is_better,
    )


def measure_exactly(
    patching: Patching, grids: Sequence[Grid], journal: Journal, only: Sequence[int] | None = None
) -> Tensor:
    """The effect of patching every place alone ``[n c]``, in the metric's unit; nan where an example lacks it.

    ``only`` are the numbers of the places that are patched, in all grids one after another; the others are nan.
    """
    sites = [site for grid in grids for site in grid.sites]
    parts = []
    for batch in patching.batches():
        base = run_base(patching.subject, batch.base, sites=sites)
        source = activations(patching.subject, batch.source, sites)
        cells = [cell for grid in grids for cell in grid.cells(batch.base)]
        chosen = list(range(len(cells))) if only is None else list(only)
        values = sweep(
            patching.subject,
            base,
            source,
            [cells[number] for number in chosen],
            batch.read,
            journal,
            budget=patching.budget,
            stage="activation_patching",
        )
        before = batch.read(base.readout, batch.base).cpu().double()
        effects = torch.full((len(batch.base), len(cells)), torch.nan, dtype=torch.double)
        effects[:, chosen] = patching.effect(values.T.double(), before[:, None])
        lacking = torch.cat([grid.lacking(batch.base) for grid in grids], dim=1)
        parts.append(effects.masked_fill(lacking, torch.nan))
    return torch.cat(parts)


def _difference(patching: Patching, batch: Batch) -> Tensor:
    """What the metric is on the clean prompts more than on the corrupted ones ``[b]``."""
    values = []
    for examples in (batch.base, batch.source):
        readout = patching.subject.readout(examples.tokens, examples.mask, examples.where)
        values.append(batch.read(readout, examples).cpu().double())
    return values[0] - values[1] if patching.direction == "noising" else values[1] - values[0]
