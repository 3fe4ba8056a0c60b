"""The one protocol that judges any circuit of any method, on examples the search did not see.

Five kinds of model run over every held-out example: full (nothing ablated), circuit (everything outside it ablated),
empty (everything ablated), complement (the circuit ablated) and random circuits with as many units at each site; and,
where the spec asks for them, circuits of other sizes and the circuit without single units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mechint.circuit.space import Site, Space
from mechint.faithfulness.models import Models
from mechint.faithfulness.per_example import PerExample, stack_draws
from mechint.journal import Journal
from mechint.subject.intervene import edited, keep_only
from mechint.subject.subject import Subject
from mechint.task.ablation import Ablated, Ablation
from mechint.task.metric import Metric
from mechint.task.score import read_scores
from mechint.task.task import Task

__all__ = ["measure"]

BATCH = 32
"""Held-out examples in a forward pass; results depend on it by rounding alone."""


def measure(
    subject: Subject,
    task: Task,
    space: Space,
    models: Models,
    ablation: Ablation,
    metrics: Sequence[Metric],
    journal: Journal,
) -> PerExample:
    """Run the full model and every other over the held-out examples: a forward pass for each."""
    ablated = ablation.at([units.site for units in space.sites])
    masks = {name: space.spread(kept.to(subject.device)) for name, kept in models.kept.items()}
    collected, size = _Collected(), subject.at_once(BATCH)
    batches = -(-len(task.heldout) // size)
    for number in journal.steps("faithfulness", batches, {"collected": collected}):
        rows = range(number * size, min((number + 1) * size, len(task.heldout)))
        collected.add(_score(subject, task, rows, models, masks, ablated, metrics))
        journal.progress("faithfulness", number + 1, batches)
    flat = {
        name: {metric: torch.cat(parts).double().numpy() for metric, parts in by_metric.items()}
        for name, by_metric in collected.values.items()
    }
    pairs, weight = task.heldout.pairs, task.heldout.weight
    return PerExample(
        metric=task.metric.name,
        higher_is_better=task.metric.higher_is_better,
        values=stack_draws(flat),
        weight=None if weight is None else weight.cpu().double().numpy(),
        cluster=None if pairs is None or len(pairs.template.unique()) == 1 else pairs.template.cpu().numpy(),
    )


@dataclass(slots=True)
class _Collected:
    """Every model's values of its metrics, batch by batch."""

    values: dict[str, dict[str, list[Tensor]]] = field(default_factory=dict)

    def add(self, batch: Mapping[str, Mapping[str, Tensor]]) -> None:
        for name, by_metric in batch.items():
            for metric, scores in by_metric.items():
                self.values.setdefault(name, {}).setdefault(metric, []).append(scores.cpu())

    def state_dict(self) -> dict[str, Any]:
        return dict(self.values)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.values = state_dict


@torch.no_grad()
def _score(
    subject: Subject,
    task: Task,
    rows: range,
    models: Models,
    masks: Mapping[str, Mapping[Site, Tensor]],
    ablated: Ablated,
    metrics: Sequence[Metric],
) -> Mapping[str, Mapping[str, Tensor]]:
    """Every model's value of its metrics ``[b]`` on some held-out examples."""
    examples = task.heldout.take(slice(rows.start, rows.stop))
    instead = ablated.values(task.heldout, rows)
    full = subject.readout(examples.tokens, examples.mask, examples.where)
    values: dict[str, Mapping[str, Tensor]] = {"full": read_scores(metrics, full, examples, full)}
    for name, per_site in masks.items():
        with edited(subject, {site: keep_only(kept, instead[site]) for site, kept in per_site.items()}):
            readout = subject.readout(examples.tokens, examples.mask, examples.where)
        taken = metrics if name in models.judged else [task.metric]
        values[name] = read_scores(taken, readout, examples, full)
    return values
