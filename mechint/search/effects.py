"""How much each unit matters to the full model: first-order, integrated and exact effects, means over all examples.

An effect is positive where the unit helps: without it the metric's loss rises. All are taken in the precision of a
measurement, and depend on how examples are batched by rounding alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.journal import Journal
from mechint.search.objective import Objective
from mechint.subject.intervene import Edit, edited, keep_only
from mechint.subject.readout import Readout
from mechint.subject.resume import Recorded, record, resumed
from mechint.task.examples import Examples
from mechint.task.score import read_loss

__all__ = ["attribute", "integrate_gradients", "leave_one_out", "measure_sensitivity"]

MOST_TOKENS = 2048
"""Tokens in a forward pass of ``leave_one_out``, over all ablations that share it."""


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

    ``within`` ``[m]`` is true at the entries of the model that they are taken out of; by default the full one. A pass
    begins at the layer that is ablated, and holds several ablations at once. Entries lie within one layer.
    """
    exact = _exactly(objective)
    base = torch.ones(objective.size, dtype=torch.bool) if within is None else within
    total = torch.zeros(objective.size, dtype=torch.double)
    batches = list(_batches(objective))
    for number, rows in enumerate(batches):
        total += _leave_out(exact, rows, base)
        journal.progress("leave one out", number + 1, len(batches))
    return total / _count(objective)


def _mean_gradient(
    objective: Objective, at: float, each: Callable[[Tensor], Tensor], journal: Journal, stage: str
) -> Tensor:
    """The mean over all search examples of what ``each`` makes of their own gradients ``[b m]``: ``[m]``."""
    exact, mask = _exactly(objective), torch.full((objective.size,), at)
    total = torch.zeros(objective.size, dtype=torch.double)
    batches = list(_batches(objective))
    for number, rows in enumerate(batches):
        _, gradients = exact.example_gradients(mask, rows)
        total += (_weights(objective, rows).unsqueeze(1) * each(gradients).double()).sum(0)
        journal.progress(stage, number + 1, len(batches))
    return total / _count(objective)


def _leave_out(objective: Objective, rows: range, base: Tensor) -> Tensor:
    """The effects ``[m]`` on some examples, summed by their weights."""
    subject, search = objective.subject, objective.task.search
    examples = search.take(slice(rows.start, rows.stop))
    batch = _Batch(
        examples=examples,
        instead=objective.ablated.values(search, rows),
        full=subject.readout(examples.tokens, examples.mask, examples.where),
    )
    with edited(subject, batch.edits(objective, base.unsqueeze(0), from_layer=0)):
        recorded = record(subject, examples.tokens, examples.mask)
        readout = subject.readout(examples.tokens, examples.mask, examples.where)
    before = read_loss(objective.task.metric, readout, examples, batch.full)
    effects = torch.zeros(objective.size, dtype=torch.double)
    for entries in _chunks(objective, MOST_TOKENS // examples.tokens.numel()):
        rises = batch.losses_without(objective, base, entries, recorded) - before  # [e b]
        effects[entries] = (rises.cpu().double() * _weights(objective, rows)).sum(1)
    return effects


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Batch:
    """Some examples, what stands in for their activations, and the full model's predictions on them."""

    examples: Examples
    instead: Mapping[Site, Tensor]
    full: Readout

    def losses_without(self, objective: Objective, base: Tensor, entries: Sequence[int], recorded: Recorded) -> Tensor:
        """Loss ``[e b]`` without each of some entries of one layer."""
        subject, copies, count = objective.subject, len(entries), len(self.examples)
        masks = base.repeat(copies, 1)
        masks[range(copies), list(entries)] = False
        layer = _layer_of(objective, entries[0])
        again = self.examples.take(torch.arange(count).repeat(copies))
        with resumed(subject, recorded, layer, copies), edited(subject, self.edits(objective, masks, layer)):
            readout = subject.readout(again.tokens, again.mask, again.where)
        full = replace(self.full, last=self.full.last.repeat(copies, 1))
        return read_loss(objective.task.metric, readout, again, full).view(copies, count)

    def edits(self, objective: Objective, masks: Tensor, from_layer: int) -> dict[Site, Edit]:
        """Edits of one pass over all examples for each mask ``[e m]``; none where every mask keeps a whole site."""
        edits = {}
        for site, kept in objective.space.spread(masks[:, objective.groups]).items():
            if site.layer >= from_layer and not kept.all():
                each = kept.repeat_interleave(len(self.examples), dim=0).unsqueeze(1)  # [e*b 1 u]
                edits[site] = keep_only(each, _repeated(self.instead[site], len(masks)))
        return edits


def _chunks(objective: Objective, most: int) -> Iterator[list[int]]:
    """The entries, layer by layer, at most ``most`` together and one at least."""
    by_layer: dict[int, list[int]] = {}
    for entry, layer in sorted(set(zip(objective.groups.tolist(), objective.space.layers, strict=True))):
        by_layer.setdefault(layer, []).append(entry)
    size = max(most, 1)
    for entries in by_layer.values():
        for start in range(0, len(entries), size):
            yield entries[start : start + size]


def _layer_of(objective: Objective, entry: int) -> int:
    return objective.space.layers[int((objective.groups == entry).nonzero()[0])]


def _repeated(ablated: Tensor, copies: int) -> Tensor:
    """Ablated activations ``[b p u]`` for every copy of the examples; those that fit any example as they are."""
    return ablated.repeat(copies, 1, 1) if ablated.dim() == 3 else ablated


def _exactly(objective: Objective) -> Objective:
    """The objective without the narrow products of a search."""
    return replace(objective, subject=replace(objective.subject, autocast=None))


def _batches(objective: Objective) -> Iterator[range]:
    count = len(objective.task.search)
    for start in range(0, count, objective.batch_size):
        yield range(start, min(start + objective.batch_size, count))


def _weights(objective: Objective, rows: range) -> Tensor:
    """What each example counts ``[b]``."""
    weight = objective.task.search.weight
    return torch.ones(len(rows), dtype=torch.double) if weight is None else weight[list(rows)].cpu().double()


def _count(objective: Objective) -> float:
    return float(_weights(objective, range(len(objective.task.search))).sum())
