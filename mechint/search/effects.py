"""How much each unit matters to the full model: first-order, integrated and exact effects, means over all examples.

An effect is positive where the unit helps: without it the metric's loss rises. All are taken in the precision of a
measurement, and depend on how examples are batched by rounding alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.journal import Journal
from mechint.search.objective import Objective
from mechint.search.reading import reader
from mechint.search.sweep import Cell, Patch, run_base, sweep
from mechint.subject.intervene import Edit, keep_only

__all__ = ["attribute", "integrate_gradients", "leave_one_out", "measure_sensitivity"]


def attribute(objective: Objective, journal: Journal) -> Tensor:
    """The first-order effect of ablating each mask entry ``[m]``: ``-dloss/dmask`` at the full model.

    With zero ablation that is activation times gradient. One forward and one backward pass over the examples.
    """
    return _mean_gradient(objective, 1.0, lambda gradients: -gradients, journal, "attribution")


def measure_sensitivity(objective: Objective, journal: Journal) -> Tensor:
    """The mean over examples of ``|dloss/dmask|`` at the full model ``[m]`` (Michel et al. 2019, 1905.10650)."""
    return _mean_gradient(objective, 1.0, torch.abs, journal, "sensitivity")


def integrate_gradients(objective: Objective, journal: Journal, *, points: int) -> Tensor:
    """The mean of ``-dloss/dmask`` ``[m]`` along the path from everything ablated to the full model, by midpoints.

    The entries' effects add up to the loss of the fully ablated model minus that of the full one (Sundararajan et al.
    2017, 1703.01365). ``points`` forward and backward passes over the examples.
    """
    total = torch.zeros(objective.size, dtype=torch.double)
    for point in range(points):
        at = (point + 0.5) / points
        total += _mean_gradient(objective, at, lambda gradients: -gradients, journal, f"point {point + 1} of {points}")
    return total / points


@torch.no_grad()
def leave_one_out(objective: Objective, journal: Journal, *, within: Tensor | None = None) -> Tensor:
    """The exact effect of ablating each mask entry alone ``[m]``: the loss without it minus the loss with it.

    ``within`` ``[m]`` is true at the entries of the model that they are taken out of; by default the full one.
    """
    exact = _exactly(objective)
    base = torch.ones(objective.size, dtype=torch.bool) if within is None else within
    cells = _cells(objective)
    total = torch.zeros(objective.size, dtype=torch.double)
    for rows in _batches(objective):
        total += _leave_out(exact, cells, rows, base, journal)
    return total / _count(objective)


def _mean_gradient(
    objective: Objective, at: float, each: Callable[[Tensor], Tensor], journal: Journal, stage: str
) -> Tensor:
    """The mean over all search examples of what ``each`` makes of their own gradients ``[b m]``: ``[m]``."""
    exact, mask = _exactly(objective), torch.full((objective.size,), at)
    total = torch.zeros(objective.size, dtype=torch.double)
    batches = list(_batches(objective))
    for number in journal.steps(stage, len(batches), {"total": total}):
        rows = batches[number]
        _, gradients = exact.example_gradients(mask, rows)
        total += (_weights(objective, rows).unsqueeze(1) * each(gradients).double()).sum(0)
        journal.progress(stage, number + 1, len(batches))
    return total / _count(objective)


def _leave_out(objective: Objective, cells: Sequence[Cell], rows: range, base: Tensor, journal: Journal) -> Tensor:
    """The effects ``[m]`` on some examples, summed by their weights."""
    subject, search = objective.subject, objective.task.search
    examples = search.take(slice(rows.start, rows.stop))
    instead = objective.ablated.values(search, rows)
    full = subject.readout(examples.tokens, examples.mask, examples.where)
    read = reader(objective.task.metric, objective.task.metric.loss, full, len(examples))
    run = run_base(subject, examples, _dropped(objective, base, instead))
    losses = sweep(subject, run, instead, cells, read, journal, stage="leave one out")  # [m b]
    rises = losses.double() - read(run.readout, examples).cpu().double()
    return (rises * _weights(objective, rows)).sum(1)


def _cells(objective: Objective) -> list[Cell]:
    """For every mask entry, the units that it rules."""
    cells: list[list[Patch]] = [[] for _ in range(objective.size)]
    groups = iter(objective.groups.tolist())
    for units in objective.space.sites:
        for start in range(0, units.channels, units.grain):
            cells[next(groups)].append(Patch(site=units.site, units=slice(start, start + units.grain)))
    return [tuple(cell) for cell in cells]


def _dropped(objective: Objective, base: Tensor, instead: Mapping[Site, Tensor]) -> dict[Site, Edit]:
    """Edits that take out what a mask ``[m]`` does not keep."""
    masks = objective.space.spread(base[objective.groups])
    return {site: keep_only(kept, instead[site]) for site, kept in masks.items() if not kept.all()}


def _exactly(objective: Objective) -> Objective:
    """The objective without the narrow products of a search."""
    return replace(objective, subject=replace(objective.subject, autocast=None))


def _batches(objective: Objective) -> Iterator[range]:
    count = len(objective.task.search)
    size = objective.subject.at_once(objective.batch_size)
    for start in range(0, count, size):
        yield range(start, min(start + size, count))


def _weights(objective: Objective, rows: range) -> Tensor:
    """What each example counts ``[b]``."""
    weight = objective.task.search.weight
    return torch.ones(len(rows), dtype=torch.double) if weight is None else weight[list(rows)].cpu().double()


def _count(objective: Objective) -> float:
    return float(_weights(objective, range(len(objective.task.search))).sum())
