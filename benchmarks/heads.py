"""Every way of scoring attention heads on one behaviour, and what leaving every head out costs.

    python benchmarks/heads.py [SPEC] [--steps 60]     (specs/ioi_heads_smollm2.yaml)

Prints the faithfulness of the best heads by each score at several sizes, on held-out examples; the ten best heads with
the full model's metric when each is ablated alone; and the cost of exact leave-one-out in plain forward passes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from dataclasses import replace

import torch

from mechint.circuit.circuit import Circuit, keep_top, random_like
from mechint.circuit.space import Site
from mechint.engine.analyze import analyze
from mechint.engine.collect import collect_plan
from mechint.engine.plugins import Plugins, list_plugins
from mechint.engine.prepare import Prepared, prepare
from mechint.faithfulness.derive import draws_of, faithfulness_of
from mechint.faithfulness.models import Models
from mechint.faithfulness.per_example import PerExample
from mechint.faithfulness.protocol import measure
from mechint.journal import Journal
from mechint.spec.values import Item

SCORES = ("sensitivity", "attribution", "integrated_gradients", "leave_one_out", "learned")
SIZES = (0.05, 0.1, 0.2, 0.4)
LEARNED_AT = 0.2
"""The size at which the learned gates are a circuit of their own; at the others they are ranked by their gradients."""
RANDOM = 5


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", nargs="?", default="specs/ioi_heads_smollm2.yaml")
    parser.add_argument("--models")
    parser.add_argument("--steps", type=int, default=60, help="of the learned gates")
    parser.add_argument("--top", type=int, default=10)
    given = parser.parse_args()
    plugins = Plugins(list_plugins())
    for name in ("metrics", "architectures"):
        plugins.load(name)
    overrides = ["method.search=budget", f"method.steps={given.steps}", f"method.target_sparsity={1 - LEARNED_AT}"]
    plan = collect_plan(given.spec, plugins, models=given.models, overrides=overrides)
    ready = prepare(plan.items[0], plugins)
    circuits = _search(plan.items[0], plugins, ready)
    values = _measure(ready, circuits)
    _print_curves(values, circuits)
    best = max(SCORES, key=lambda score: _faithfulness(values, f"{score} {LEARNED_AT}"))
    _print_top(ready, circuits[best], best, given.top)


def _search(item: Item, plugins: Plugins, ready: Prepared) -> dict[str, Circuit]:
    """The circuit and the scores of each way of scoring, with its seconds and what they are in forward passes."""
    forward = _forward_seconds(ready)
    print(f"| scores | seconds | in forward passes over the {len(ready.task.search)} search examples |")
    print("| --- | ---: | ---: |")
    circuits = {}
    for score in SCORES:
        options = item.cell.method.options.model_copy(update={"scores": score})
        chosen = replace(item, cell=replace(item.cell, method=replace(item.cell.method, options=options)))
        started = time.perf_counter()
        circuits[score] = analyze(chosen, plugins, ready, Journal()).circuit
        seconds = time.perf_counter() - started
        forward = min(forward, _forward_seconds(ready))
        print(f"| {score} | {seconds:.0f} | {seconds / forward:.1f} |", flush=True)
    print(f"\nheads: {circuits[SCORES[0]].space.size}; a forward pass: {forward:.2f} s\n", flush=True)
    return circuits


def _forward_seconds(ready: Prepared) -> float:
    """A plain forward pass over the search examples, batch by batch; the median of three."""
    examples, seconds = ready.task.search, []
    with torch.no_grad():
        for _ in range(3):
            started = time.perf_counter()
            for start in range(0, len(examples), 16):
                batch = examples.take(slice(start, start + 16))
                ready.subject.readout(batch.tokens, batch.mask, batch.where)
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _measure(ready: Prepared, circuits: Mapping[str, Circuit]) -> PerExample:
    """The held-out values of every score's best heads at every size, and of random ones."""
    space = next(iter(circuits.values())).space
    kept = {"circuit": torch.ones(space.size, dtype=torch.bool), "empty": torch.zeros(space.size, dtype=torch.bool)}
    generator = torch.Generator().manual_seed(0)
    for size in SIZES:
        for score, circuit in circuits.items():
            kept[f"{score} {size}"] = keep_top(circuit.scores, round(size * space.size))
        top = replace(circuits["integrated_gradients"], kept=kept[f"integrated_gradients {size}"])
        kept |= {f"{size}/random/{draw}": random_like(top, generator) for draw in range(RANDOM)}
    kept[f"learned {LEARNED_AT}"] = circuits["learned"].kept
    return _run(ready, circuits["learned"], kept)


def _run(ready: Prepared, circuit: Circuit, kept: Mapping[str, torch.Tensor]) -> PerExample:
    models = Models(kept=kept, judged=frozenset(), tested=())
    return measure(ready.subject, ready.task, circuit.space, models, ready.ablation, ready.metrics, Journal())


def _faithfulness(values: PerExample, model: str) -> float:
    found = faithfulness_of(values, model)
    return float("nan") if found is None else found.value


def _print_curves(values: PerExample, circuits: Mapping[str, Circuit]) -> None:
    print("| scores |", " | ".join(f"{size:.0%}" for size in SIZES), "|")
    print("| --- |", " | ".join("---:" for _ in SIZES), "|")
    for score in circuits:
        print(f"| {score} |", " | ".join(f"{_faithfulness(values, f'{score} {size}'):.3f}" for size in SIZES), "|")
    random = [[one.value for one in draws_of(values, f"{size}/random") if one is not None] for size in SIZES]
    print("| random |", " | ".join(f"{statistics.mean(each):.3f}" for each in random), "|\n", flush=True)


def _print_top(ready: Prepared, circuit: Circuit, score: str, count: int) -> None:
    """The full model's metric without each of the best heads."""
    size = circuit.space.size
    best = circuit.scores.argsort(descending=True)[:count].tolist()
    kept = {str(head): torch.arange(size) != head for head in best}
    values = _run(ready, circuit, kept | {"empty": torch.zeros(size, dtype=torch.bool)})
    print(f"| head by {score} | score | {values.metric} without it | change, with its 95 % interval |")
    print("| --- | ---: | ---: | ---: |")
    names = [f"{site.layer}.{unit}" for site, units in _units(circuit) for unit in range(units)]
    full = values.of("full")
    for head in best:
        change = values.of(str(head)) - full
        low, high = 1.96 * change.std() / len(change) ** 0.5 * torch.tensor([-1.0, 1.0]) + change.mean()
        without = f"{values.mean(values.of(str(head))):.3f}"
        print(
            f"| {names[head]} | {circuit.scores[head]:.3f} | {without} | {change.mean():.3f} [{low:.3f}, {high:.3f}] |"
        )
    print(f"\nfull model: {values.mean(full):.3f}")


def _units(circuit: Circuit) -> list[tuple[Site, int]]:
    return [(units.site, units.count) for units in circuit.space.sites]


if __name__ == "__main__":
    main()
