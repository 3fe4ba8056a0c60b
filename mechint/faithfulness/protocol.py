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
from mechint.task.examples import Examples
from mechint.task.metric import Metric
from mechint.task.task import Task

__all__ = ["Measurement", "measure", "save_per_example"]

LARGEST_BATCH = 32
"""Held-out examples in a forward pass."""
MOST_LOGITS = 1 << 24
"""Numbers in the logits of a forward pass; each metric needs some copies of them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measurement:
    """Every metric of every model, example by example, and the measures that follow."""

    per_example: Mapping[str, Mapping[str, Tensor]]
    """By model and metric: float64 ``[n]``, for ``random`` ``[circuits n]``."""
    measures: Mapping[str, float | None]

    @property
    def means(self) -> dict[str, dict[str, float]]:
        """Mean over the examples (and over the random circuits), by model and metric."""
        return {
            model: {metric: float(values.mean()) for metric, values in metrics.items()}
            for model, metrics in self.per_example.items()
        }


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
    size = _batch_size(subject, task)
    batches = -(-len(task.heldout) // size)
    for number, values in enumerate(_score_batches(subject, task, circuit, ablation, metrics, models, size)):
        for name, by_metric in values.items():
            for metric, scores in by_metric.items():
                collected.setdefault(name, {}).setdefault(metric, []).append(scores)
        journal.progress("faithfulness", number + 1, batches)
    flat = {
        name: {metric: torch.cat(parts).double() for metric, parts in by_metric.items()}
        for name, by_metric in collected.items()
    }
    per_example = _stack_random(flat, random)
    return Measurement(per_example=per_example, measures=_measures(per_example, circuit, task.metric))


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
    size: int,
) -> Iterator[dict[str, dict[str, Tensor]]]:
    """For each batch of held-out examples, every model's value of every metric ``[b]``."""
    ablated = ablation.at([units.site for units in circuit.space.sites])
    masks = {name: circuit.space.split(kept.to(subject.device)) for name, kept in models.items()}
    for start in range(0, len(task.heldout), size):
        examples = task.heldout.take(slice(start, start + size))
        instead = ablated.values(examples, range(start, start + len(examples)))
        full = subject.logits(examples.tokens, examples.mask)  # [b p v]
        values = {"full": _score(metrics, full, examples, full)}
        for name, per_site in masks.items():
            with edited(subject, {site: keep_only(kept, instead[site]) for site, kept in per_site.items()}):
                logits = subject.logits(examples.tokens, examples.mask)
            values[name] = _score(metrics, logits, examples, full)
        yield values


def _score(metrics: Sequence[Metric], logits: Tensor, examples: Examples, full: Tensor) -> dict[str, Tensor]:
    return {metric.name: metric.score(logits, examples, full).cpu() for metric in metrics}


def _batch_size(subject: Subject, task: Task) -> int:
    """Examples whose logits fit the bound; results depend on it by rounding alone."""
    per_example = task.heldout.tokens.shape[1] * subject.shape.n_vocab
    return max(1, min(LARGEST_BATCH, MOST_LOGITS // per_example))


def _stack_random(flat: dict[str, dict[str, Tensor]], random: int) -> dict[str, dict[str, Tensor]]:
    """Gather the random circuits' values ``[n]`` into one ``[circuits n]`` for each metric."""
    per_example = {name: values for name, values in flat.items() if not name.startswith("random/")}
    draws = [flat[f"random/{draw}"] for draw in range(random)]
    per_example["random"] = {metric: torch.stack([draw[metric] for draw in draws]) for metric in draws[0]}
    return per_example


def _measures(
    per_example: Mapping[str, Mapping[str, Tensor]], circuit: Circuit, metric: Metric
) -> dict[str, float | None]:
    """Everything an assertion can name."""
    evidence = Evidence(
        full=per_example["full"][metric.name].tolist(),
        circuit=per_example["circuit"][metric.name].tolist(),
        empty=per_example["empty"][metric.name].tolist(),
        complement=per_example["complement"][metric.name].tolist() if "complement" in per_example else None,
        random=per_example["random"][metric.name].tolist(),
    )
    own = {name: float(values.mean()) for name, values in per_example["circuit"].items()}
    return (
        derive(evidence)
        | own
        | {
            "sparsity": circuit.sparsity,
            "units_kept": float(circuit.kept.sum()),
            "loss_increase": own["loss"] - float(per_example["full"]["loss"].mean()),
        }
    )
