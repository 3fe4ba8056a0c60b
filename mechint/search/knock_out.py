"""Knocking layers out: how much worse the metric becomes where what a layer adds is ablated."""

from __future__ import annotations

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.journal import Journal
from mechint.search.base_run import run_base
from mechint.search.patched_run import Cell, Patch
from mechint.search.reading import reader
from mechint.search.relevance import PARTS
from mechint.search.sweep import sweep
from mechint.subject.subject import Subject
from mechint.task.ablation import Ablation
from mechint.task.task import Task

__all__ = ["KNOCKED_OUT", "knock_out"]

KNOCKED_OUT = (*PARTS, "block")
"""A layer's attention, its MLP, and both."""


@torch.no_grad()
def knock_out(
    subject: Subject, task: Task, ablation: Ablation, journal: Journal, *, batch_size: int, budget: int
) -> Tensor:
    """How far the metric falls ``[n l 3]`` where each of ``KNOCKED_OUT`` is ablated in each layer.

    Positive where the layer helps; of a metric of which less is better how far it rises. Three passes a layer, begun
    at it.
    """
    metric, layers = task.metric, range(subject.shape.n_layer)
    ablated = ablation.at([Site(layer, kind) for layer in layers for kind in PARTS])
    cells = [cell for layer in layers for cell in _cells(layer)]
    sign = 1.0 if metric.higher_is_better else -1.0
    parts = []
    for start in range(0, len(task.search), batch_size):
        rows = range(start, min(start + batch_size, len(task.search)))
        batch = task.search.take(slice(rows.start, rows.stop))
        base, instead = run_base(subject, batch), ablated.values(task.search, rows)
        read = reader(metric, metric.score, base.readout, len(batch))
        values = sweep(subject, base, instead, cells, read, journal, budget=budget, stage="knock_out")  # [c b]
        falls = sign * (read(base.readout, batch).cpu().double() - values.double())
        parts.append(falls.T.unflatten(1, (-1, len(KNOCKED_OUT))))
    return torch.cat(parts)


def _cells(layer: int) -> list[Cell]:
    alone: list[Cell] = [(Patch(site=Site(layer, kind)),) for kind in PARTS]
    return [*alone, tuple(patch for cell in alone for patch in cell)]
