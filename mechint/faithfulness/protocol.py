"""The one protocol that judges any circuit of any method, on examples the search did not see.

Five kinds of model run over every held-out example: full (nothing ablated), circuit (everything outside it ablated),
empty (everything ablated), complement (the circuit ablated) and random circuits with as many units at each site; and,
where the spec asks for them, circuits of other sizes and the circuit without single units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from mechint.circuit.space import Space
from mechint.faithfulness.models import Models
from mechint.faithfulness.per_example import PerExample, stack_draws
from mechint.journal import Journal
from mechint.subject.intervene import edited, keep_only
from mechint.subject.subject import Subject
from mechint.task.ablation import Ablation
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
    collected: dict[str, dict[str, list[Tensor]]] = {}
    batches = -(-len(task.heldout) // BATCH)
    for number, values in enumerate(_score_batches(subject, task, space, models, ablation, metrics)):
        for name, by_metric in values.items():
            for metric, scores in by_metric.items():
                collected.setdefault(name, {}).setdefault(metric, []).append(scores.cpu())
        journal.progress("faithfulness", number + 1, batches)
    flat = {
        name: {metric: torch.cat(parts).double() for metric, parts in by_metric.items()}
        for name, by_metric in collected.items()
    }
    pairs, weight = task.heldout.pairs, task.heldout.weight
    return PerExample(
        metric=task.metric.name,
        higher_is_better=task.metric.higher_is_better,
        values=stack_draws(flat),
        weight=None if weight is None else weight.cpu().double(),
        cluster=None if pairs is None or len(pairs.template.unique()) == 1 else pairs.template.cpu(),
    )


@torch.no_grad()
def _score_batches(
    subject: Subject, task: Task, space: Space, models: Models, ablation: Ablation, metrics: Sequence[Metric]
) -> Iterator[Mapping[str, Mapping[str, Tensor]]]:
    """For each batch of held-out examples, every model's value of its metrics ``[b]``."""
    ablated = ablation.at([units.site for units in space.sites])
    masks = {name: space.spread(kept.to(subject.device)) for name, kept in models.kept.items()}
    for start in range(0, len(task.heldout), BATCH):
        rows = range(start, min(start + BATCH, len(task.heldout)))
        examples = task.heldout.take(slice(rows.start, rows.stop))
        instead = ablated.values(task.heldout, rows)
        full = subject.readout(examples.tokens, examples.mask, examples.where)
        values = {"full": read_scores(metrics, full, examples, full)}
        for name, per_site in masks.items():
            with edited(subject, {site: keep_only(kept, instead[site]) for site, kept in per_site.items()}):
                readout = subject.readout(examples.tokens, examples.mask, examples.where)
            taken = metrics if name in models.judged else [task.metric]
            values[name] = read_scores(taken, readout, examples, full)
        yield values
