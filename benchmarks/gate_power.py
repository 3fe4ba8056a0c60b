"""How often gates alarm without a change, and how often they see one, simulated.

    python benchmarks/gate_power.py [--runs 10000]

Prints two markdown tables about a measure with 256 examples, a spread of 1 between examples, of .01 between runs and of
.15 within an example from run to run, and a tolerance of .03: how often gates alarm with no change and with a drop of
.05, and what the gate of this program says with more seeds. How well intervals cover is ``interval_coverage.py``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mechint.faithfulness.combine import over_runs
from mechint.faithfulness.compare import drop, judge
from mechint.faithfulness.estimate import mean

Array = NDArray[np.float64]

EXAMPLES = 256
BETWEEN_EXAMPLES, BETWEEN_RUNS, WITHIN_EXAMPLE = 1.0, 0.01, 0.15
TOLERANCE, DROP = 0.03, 0.05
TRIES = 3


def usual_alarms(runs: int, change: float, seed: int) -> dict[str, float]:
    """Share of the runs in which each gate that looks at one run a side alarms."""
    generator = np.random.default_rng(seed)
    examples = _examples(runs, 0.0, generator)
    before, after = _measure(examples, generator), _measure(examples - change, generator)
    fresh = [_measure(_examples(runs, change, generator), generator) for _ in range(TRIES)]
    lost = [before.mean(1) - values.mean(1) for values in fresh]
    unpaired = np.sqrt((before.var(1, ddof=1) + fresh[0].var(1, ddof=1)) / EXAMPLES)
    found = (before - after).mean(1)
    paired = found > 1.96 * (before - after).std(1, ddof=1) / np.sqrt(EXAMPLES)
    gates = {
        "point estimate, fresh examples": lost[0] > TOLERANCE,
        "the same, retried up to 3 times": np.all([each > TOLERANCE for each in lost], axis=0),
        "unpaired 95 % interval": lost[0] > 1.96 * unpaired,
        "paired interval": paired,
        "paired interval and minimum effect": paired & (found > TOLERANCE),
    }
    return {name: float(alarm.mean()) for name, alarm in gates.items()}


def outcomes(runs: int, change: float, seed: int, *, seeds: int = 3, examples: int = EXAMPLES) -> Mapping[str, float]:
    """Share of each outcome of this program's gate, with several seeds a side."""
    generator = np.random.default_rng(seed)
    counted: Counter[str] = Counter()
    for _ in range(runs):
        same = _examples(1, 0.0, generator, examples)
        baseline, now = (
            over_runs([mean(_measure(values, generator)[0]) for _ in range(seeds)]) for values in (same, same - change)
        )
        counted[judge([drop(baseline, now, higher_is_better=True)], [TOLERANCE])[0].outcome] += 1
    return {outcome: counted[outcome] / runs for outcome in ("failed", "undecided", "passed")}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    ours = [outcomes(given.runs, change, given.seed) for change in (0.0, DROP)]
    null, dropped = (usual_alarms(given.runs, change, given.seed) for change in (0.0, DROP))
    print(f"{given.runs} runs\n\n| gate | alarms without a change | with a drop of {DROP} |\n| --- | ---: | ---: |")
    for gate, share in null.items():
        print(f"| {gate} | {share:.1%} | {dropped[gate]:.1%} |")
    print(f"| this program's, 3 seeds a side | {ours[0]['failed']:.1%} | {ours[1]['failed']:.1%} |", flush=True)
    few = given.runs // 5
    print(f"\nFailed / undecided / passed, {few} runs\n\n| seeds a side | examples | no change | drop of {DROP} |")
    print("| ---: | ---: | ---: | ---: |")
    for seeds, examples in ((1, 256), (3, 256), (3, 1024), (6, 256), (6, 1024)):
        said = [outcomes(few, change, given.seed, seeds=seeds, examples=examples) for change in (0.0, DROP)]
        print(f"| {seeds} | {examples} | {_shares(said[0])} | {_shares(said[1])} |", flush=True)


def _examples(runs: int, change: float, generator: np.random.Generator, count: int = EXAMPLES) -> Array:
    """What examples are worth ``[runs n]``, drawn anew."""
    return generator.normal(-change, BETWEEN_EXAMPLES, (runs, count))


def _measure(examples: Array, generator: np.random.Generator) -> Array:
    """The values ``[runs n]`` that a run gives: off by the same in all examples, and in each for itself."""
    run = generator.normal(scale=BETWEEN_RUNS, size=(len(examples), 1))
    return examples + run + generator.normal(scale=WITHIN_EXAMPLE, size=examples.shape)


def _shares(shares: Mapping[str, float]) -> str:
    return " / ".join(f"{share:.1%}" for share in shares.values())


if __name__ == "__main__":
    main()
