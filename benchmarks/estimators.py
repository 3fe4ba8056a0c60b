"""Every estimator of kv_circuit at every sparsity on the reference checkpoints, at equal cost.

    python benchmarks/estimators.py [--steps 200] [--ablation zero] [--checkpoints output/final_model_stepV0.pt …]

Prints a markdown table: faithfulness on held-out examples, backward passes (counted) and seconds. The one-shot ranking
by integrated gradients is shown twice: at the cost people usually spend on it, and at equal cost. ``random`` is the
mean over 20 random circuits with as many units at each site as the circuit that ``swap`` finds.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import ClassVar

import torch
from mechint.plugins import metrics, tokens
from torch import Tensor

from mechint.circuit.circuit import Circuit
from mechint.faithfulness.derive import estimate_measures
from mechint.faithfulness.models import choose_models
from mechint.faithfulness.protocol import measure
from mechint.journal import Journal
from mechint.search.find import find_mask
from mechint.search.objective import Objective, untied
from mechint.search.settings import Estimator, SearchSettings
from mechint.spec.values import Controls
from mechint.subject.load import load_subject
from mechint.task.ablation import Ablation

USUAL = 10
"""Backward passes of a one-shot ranking: five points of the path on two batches."""

ESTIMATORS: tuple[Estimator, ...] = (
    "integrated_gradients",
    "iterated_ig",
    "swap",
    "straight_through",
    "hard_concrete",
    "best",
)


class Counted(Objective):
    """An objective that counts its backward passes."""

    passes: ClassVar[int] = 0

    def gradient(self, mask: Tensor, step: int) -> tuple[float, Tensor]:
        """As the objective's own."""
        type(self).passes += 1
        return super().gradient(mask, step)


class Bench:
    """One checkpoint under one ablation."""

    def __init__(self, checkpoint: Path, data: str, ablation: str, seed: int) -> None:
        self.subject = load_subject(str(checkpoint))
        self.loss = next(metric for metric in metrics.mechint_metrics() if metric.name == "loss")
        options = tokens.Options(path=data)
        self.task = tokens.mechint_task(subject=self.subject, options=options, metric=self.loss)
        self.ablation = Ablation(name=ablation, subject=self.subject, reference=self.task.search, seed=seed)
        self.space = self.subject.space(("k", "v"))
        self.seed = seed

    def run(self, estimator: Estimator, sparsity: float, steps: int) -> tuple[dict[str, float], int, float]:
        """Search and judge; the measures, and the backward passes and seconds of the search."""
        objective = Counted(
            subject=self.subject,
            task=self.task,
            ablated=self.ablation.at([units.site for units in self.space.sites]),
            space=self.space,
            groups=untied(self.space),
            batch_size=16,
            seed=self.seed,
        )
        settings = SearchSettings(target_sparsity=sparsity, steps=steps, seed=self.seed)
        Counted.passes = 0
        started = time.perf_counter()
        kept = find_mask(objective, estimator, settings, Journal())[0].kept
        seconds = time.perf_counter() - started
        circuit = Circuit(space=self.space, kept=kept, scores=kept.float())
        models = choose_models(circuit, Controls(complement=False), curve=None, seed=self.seed)
        values = measure(self.subject, self.task, self.space, models, self.ablation, [self.loss], Journal())
        measured = {name: one.value for name, one in estimate_measures(values).items() if one is not None}
        return measured, Counted.passes, seconds


def main() -> None:
    """Run the whole table."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--checkpoints", nargs="+", type=Path, default=sorted(Path("output").glob("final_model_step*.pt"))
    )
    parser.add_argument("--data", default="data/stdlib")
    parser.add_argument("--ablation", default="mean")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--sparsities", nargs="+", type=float, default=[0.5, 0.8, 0.95])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    threads = torch.get_num_threads()
    print(f"{given.ablation} ablation, {given.steps} steps, torch {torch.__version__}, {threads} threads")
    print()
    print("| checkpoint | sparsity | estimator | faithfulness | backward passes | seconds |")
    print("| --- | ---: | --- | ---: | ---: | ---: |")
    for checkpoint in given.checkpoints:
        bench = Bench(checkpoint, given.data, given.ablation, given.seed)
        for sparsity in given.sparsities:
            for estimator, steps in ((ESTIMATORS[0], USUAL), *((name, given.steps) for name in ESTIMATORS)):
                found, passes, seconds = bench.run(estimator, sparsity, steps)
                row = f"| {checkpoint.stem} | {sparsity} |"
                print(f"{row} {estimator} | {found['faithfulness']:.3f} | {passes} | {seconds:.1f} |", flush=True)
                if estimator == "swap":
                    print(f"{row} random | {found['faithfulness_random']:.3f} | 0 | |", flush=True)


if __name__ == "__main__":
    main()
