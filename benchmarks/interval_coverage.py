"""How often 95 % intervals cover the truth, by the shape of the data, simulated.

    python benchmarks/interval_coverage.py [--samples 5000]

Prints two markdown tables: this program's intervals at three sizes of sample, and at 256 examples beside Student's, the
percentile and BCa bootstrap and the studentised bootstrap, which were not good enough by themselves. An interval that
does not exist does not cover.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from mechint.faithfulness.combine import over_runs
from mechint.faithfulness.estimate import Estimate, mean, ratio_of_means
from mechint.faithfulness.interval import intervals

Array = NDArray[np.float64]
Generator = np.random.Generator
Ends = tuple[Array, Array]

SIZES = (64, 128, 256)
RESAMPLES = 2000
BATCH = 250
"""Samples that are taken at a time."""


def normal(count: int, generator: Generator) -> Estimate | None:
    """Mean 0."""
    return mean(generator.normal(size=count))


def uniform(count: int, generator: Generator) -> Estimate | None:
    """Mean .5."""
    return mean(generator.uniform(size=count))


def bernoulli(count: int, generator: Generator) -> Estimate | None:
    """Right in 9 of 10 examples."""
    return mean((generator.uniform(size=count) < 0.9).astype(np.float64))


def log_normal(count: int, generator: Generator) -> Estimate | None:
    """A skewness of 6."""
    return mean(generator.lognormal(size=count))


def heavy_tailed(count: int, generator: Generator) -> Estimate | None:
    """Student's t with 3 degrees of freedom."""
    return mean(generator.standard_t(3, size=count))


def clustered(count: int, generator: Generator) -> Estimate | None:
    """Sixteen templates, which make up a third of the variance."""
    templates = np.arange(count) % 16
    values = generator.normal(scale=np.sqrt(0.5), size=16)[templates] + generator.normal(size=count)
    return mean(values, clusters=templates.tolist())


def clustered_share(count: int, generator: Generator) -> Estimate | None:
    """Right in 9 of 10 examples of sixteen templates, which make up a tenth of the variance."""
    templates = np.arange(count) % 16
    right = generator.beta(0.9 * 9, 0.1 * 9, size=16)[templates]
    return mean((generator.uniform(size=count) < right).astype(np.float64), clusters=templates.tolist())


def ratio(count: int, generator: Generator) -> Estimate | None:
    """Faithfulness of .8, where full and empty model differ by 4.5 nats, skewed."""
    whole = 4 * generator.lognormal(sigma=0.5, size=count)
    return ratio_of_means(0.8 * whole + generator.normal(scale=0.7, size=count), whole)


def weak_ratio(count: int, generator: Generator) -> Estimate | None:
    """Faithfulness of .8, where full and empty model differ by .6 of the spread between examples."""
    whole = generator.normal(0.6, 1.0, size=count)
    return ratio_of_means(0.8 * whole + generator.normal(scale=0.4, size=count), whole)


def skewed_ratio(count: int, generator: Generator) -> Estimate | None:
    """Faithfulness of .8, where a few examples make up most of the difference."""
    whole = generator.lognormal(size=count)
    return ratio_of_means(whole * generator.beta(4, 1, size=count), whole)


def several_runs(count: int, generator: Generator) -> Estimate | None:
    """A mean over 3 runs, which differ as much as means over other examples do."""
    examples = generator.normal(size=count)
    runs = generator.normal(scale=np.sqrt(3 / count), size=3)
    return over_runs([mean(examples + run + generator.normal(scale=0.3, size=count)) for run in runs])


SHAPES: Mapping[str, tuple[Callable[[int, Generator], Estimate | None], float]] = {
    "normal": (normal, 0.0),
    "uniform": (uniform, 0.5),
    "Bernoulli .9": (bernoulli, 0.9),
    "log-normal": (log_normal, float(np.exp(0.5))),
    "Student t(3)": (heavy_tailed, 0.0),
    "16 templates": (clustered, 0.0),
    "16 templates, Bernoulli .9": (clustered_share, 0.9),
    "ratio of means": (ratio, 0.8),
    "ratio, small difference": (weak_ratio, 0.8),
    "ratio, skewed": (skewed_ratio, 0.8),
    "3 runs": (several_runs, 0.0),
}
"""What is estimated, and its true value."""


def coverage(shape: str, count: int, samples: int, seed: int) -> float:
    """Share of the samples whose interval covers the truth."""
    covered = 0
    for batch in _draw(shape, count, samples, seed):
        found = intervals(batch, seed=seed)
        covered += sum(ends is not None and ends.low <= SHAPES[shape][1] <= ends.high for ends in found)
    return covered / samples


def rivals(shape: str, count: int, samples: int, seed: int) -> dict[str, float]:
    """The same for other intervals."""
    truth = SHAPES[shape][1]
    covered: dict[str, int] = {}
    for batch in _draw(shape, count, samples, seed):
        units = [estimate.units() for estimate in batch if estimate is not None]
        above, below = (np.stack([pair[side] for pair in units]) for side in (0, 1))
        for name, (low, high) in _other_intervals(above, below, np.random.default_rng(seed)).items():
            covered[name] = covered.get(name, 0) + int(((low <= truth) & (truth <= high)).sum())
    return {name: number / samples for name, number in covered.items()}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(f"{given.samples} samples\n\n| shape | {' | '.join(f'n = {size}' for size in SIZES)} |")
    print("| --- |" + " ---: |" * len(SIZES))
    for shape in SHAPES:
        shares = [coverage(shape, size, given.samples, given.seed) for size in SIZES]
        print(f"| {shape} | {' | '.join(f'{share:.1%}' for share in shares)} |", flush=True)
    print("\n| shape, n = 256 | Student's | percentile | BCa | studentised |\n| --- | ---: | ---: | ---: | ---: |")
    for shape in list(SHAPES)[:-1]:
        others = rivals(shape, 256, given.samples, given.seed)
        print(f"| {shape} | {' | '.join(f'{share:.1%}' for share in others.values())} |", flush=True)


def _draw(shape: str, count: int, samples: int, seed: int) -> Iterator[list[Estimate | None]]:
    generator = np.random.default_rng(seed)
    for start in range(0, samples, BATCH):
        yield [SHAPES[shape][0](count, generator) for _ in range(min(BATCH, samples - start))]


def _other_intervals(above: Array, below: Array, generator: Generator) -> dict[str, Ends]:
    """Intervals of the ratio of means of each row ``[m u]``: ends of ``[m]`` each."""
    units = above.shape[1]
    value = above.mean(1) / below.mean(1)
    moved = (above - value[:, None] * below) / below.mean(1)[:, None]
    error = moved.std(1, ddof=1) / np.sqrt(units)
    half = float(t.ppf(0.975, units - 1)) * error
    counts = generator.multinomial(units, np.full(units, 1 / units), RESAMPLES).T.astype(np.float64)
    drawn = (above @ counts) / (below @ counts)
    spread = (moved**2 @ counts) / units - ((moved @ counts) / units) ** 2
    students = np.sort((moved @ counts) / units / np.sqrt(np.maximum(spread, 1e-300) / (units - 1)), axis=1)
    low, high = (np.quantile(students, level, axis=1) for level in (0.025, 0.975))
    return {
        "Student's": (value - half, value + half),
        "percentile": (np.quantile(drawn, 0.025, axis=1), np.quantile(drawn, 0.975, axis=1)),
        "BCa": _bca(np.sort(drawn, axis=1), value, moved),
        "studentised": (value - high * error, value - low * error),
    }


def _bca(drawn: Array, value: Array, moved: Array) -> Ends:
    """Bias-corrected and accelerated ends ``[m]`` (Efron 1987) from sorted resamples ``[m r]``."""
    bias = norm.ppf(np.clip((drawn < value[:, None]).mean(1), 1e-3, 1 - 1e-3))
    acceleration = (moved**3).sum(1) / 6 / (moved**2).sum(1) ** 1.5
    ends = []
    for level in (float(norm.ppf(0.025)), float(norm.ppf(0.975))):
        share = norm.cdf(bias + (bias + level) / (1 - acceleration * (bias + level)))
        ranks = np.clip(np.round(share * (drawn.shape[1] - 1)), 0, drawn.shape[1] - 1).astype(int)
        ends.append(np.take_along_axis(drawn, ranks[:, None], axis=1)[:, 0])
    return ends[0], ends[1]


if __name__ == "__main__":
    main()
