"""The one protocol that judges any circuit of any method, on examples the search did not see.

Five kinds of model run over every held-out example: full (nothing ablated), circuit (everything outside it ablated),
empty (everything ablated), complement (the circuit ablated) and random circuits with as many units at each site.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mechint.circuit.circuit import Circuit, random_like
from mechint.faithfulness.measures import Evidence, derive
from mechint.files import write_bytes
from mechint.journal import Journal
from mechint.subject.intervene import edited, keep_only
from mechint.subject.subject import Subject
from mechint.task.ablation import Ablation
from mechint.task.metric import Metric
from mechint.task.score import read_scores
from mechint.task.task import Task

__all__ = ["Measurement", "measure", "save_per_example"]

BATCH = 32
"""Held-out examples in a forward pass; results depend on it by rounding alone."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measurement:
    """Every metric of every model, example by example, and the measures that follow."""

    per_example: Mapping[str, Mapping[str, Tensor]]
    """By model and metric: float64 ``[n]``, for ``random`` ``[circuits n]``."""
    means: Mapping[str, Mapping[str, float]]
    """By model and metric, over the examples by their weights, and over the random circuits."""
    measures: Mapping[str, float | None]


def measure(
    subject: Subject,
    task: Task,
    circuit: Circuit,
    ablation: Ablation,
    metrics: Sequence[Metric],
    *,
    random: int,
    complement: bool,
    seed: int,
    journal: Journal,
) -> Measurement:
    """Run the protocol: ``3 + complement + random`` forward passes over the held-out examples."""
    models = _models(circuit, random, complement=complement, seed=seed)
    collected: dict[str, dict[str, list[Tensor]]] = {}
    batches = -(-len(task.heldout) // BATCH)
    for number, values in enumerate(_score_batches(subject, task, circuit, ablation, metrics, models)):
        for name, by_metric in values.items():
            for metric, scores in by_metric.items():
                collected.setdefault(name, {}).setdefault(metric, []).append(scores.cpu())
        journal.progress("faithfulness", number + 1, batches)
    flat = {
        name: {metric: torch.cat(parts).double() for metric, parts in by_metric.items()}
        for name, by_metric in collected.items()
    }
    per_example = _stack_random(flat, random)
    means = {
        model: {metric: float(task.heldout.mean(values).mean()) for metric, values in by_metric.items()}
        for model, by_metric in per_example.items()
    }
    return Measurement(per_example=per_example, means=means, measures=_measures(per_example, means, circuit, task))


def save_per_example(measurement: Measurement, path: Path) -> None:
    """Write every value as safetensors, under names such as ``circuit/loss``."""
    from safetensors.torch import save

    tensors = {
        f"{model}/{metric}": values.contiguous()
        for model, metrics in measurement.per_example.items()
        for metric, values in metrics.items()
    }
    write_bytes(path, save(tensors))


def _models(circuit: Circuit, random: int, *, complement: bool, seed: int) -> dict[str, Tensor]:
    """The mask ``[n]`` of every model but the full one, by name."""
    generator = torch.Generator().manual_seed(seed)
    models = {"circuit": circuit.kept, "empty": torch.zeros_like(circuit.kept)}
    if complement:
        models["complement"] = ~circuit.kept
    return models | {f"random/{draw}": random_like(circuit, generator) for draw in range(random)}


@torch.no_grad()
def _score_batches(
    subject: Subject,
    task: Task,
    circuit: Circuit,
    ablation: Ablation,
    metrics: Sequence[Metric],
    models: Mapping[str, Tensor],
) -> Iterator[Mapping[str, Mapping[str, Tensor]]]:
    """For each batch of held-out examples, every model's value of every metric ``[b]``."""
    ablated = ablation.at([units.site for units in circuit.space.sites])
    masks = {name: circuit.space.split(kept.to(subject.device)) for name, kept in models.items()}
    for start in range(0, len(task.heldout), BATCH):
        rows = range(start, min(start + BATCH, len(task.heldout)))
        examples = task.heldout.take(slice(rows.start, rows.stop))
        instead = ablated.values(task.heldout, rows)
        full = subject.readout(examples.tokens, examples.mask, examples.where)
        values = {"full": read_scores(metrics, full, examples, full)}
        for name, per_site in masks.items():
            with edited(subject, {site: keep_only(kept, instead[site]) for site, kept in per_site.items()}):
                readout = subject.readout(examples.tokens, examples.mask, examples.where)
            values[name] = read_scores(metrics, readout, examples, full)
        yield values


def _stack_random(flat: dict[str, dict[str, Tensor]], random: int) -> dict[str, dict[str, Tensor]]:
    """Gather the random circuits' values ``[n]`` into one ``[circuits n]`` for each metric."""
    per_example = {name: values for name, values in flat.items() if not name.startswith("random/")}
    draws = [flat[f"random/{draw}"] for draw in range(random)]
    per_example["random"] = {metric: torch.stack([draw[metric] for draw in draws]) for metric in draws[0]}
    return per_example


def _measures(
    per_example: Mapping[str, Mapping[str, Tensor]],
    means: Mapping[str, Mapping[str, float]],
    circuit: Circuit,
    task: Task,
) -> dict[str, float | None]:
    """Everything an assertion can name."""
    own = {model: by_metric[task.metric.name].tolist() for model, by_metric in per_example.items()}
    evidence = Evidence(
        full=own["full"],
        circuit=own["circuit"],
        empty=own["empty"],
        complement=own.get("complement"),
        random=own["random"],
        weights=None if task.heldout.weight is None else task.heldout.weight.tolist(),
    )
    return {
        **derive(evidence),
        **means["circuit"],
        "sparsity": circuit.sparsity,
        "units_kept": float(circuit.kept.sum()),
        "loss_increase": means["circuit"]["loss"] - means["full"]["loss"],
    }
