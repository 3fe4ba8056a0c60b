"""Sums and differences of estimates on the same examples, and their mean over runs.

Sums of estimates with one denominator, such as a margin between two faithfulnesses, are ratios of means again, exactly.
Other sums, such as a drop between two checkpoints, are kept to first order: as the mean of ``value + influence``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mechint.faithfulness.estimate import Estimate, RunSpread

__all__ = ["combine", "difference", "over_runs", "same_examples"]


def combine(estimates: Sequence[Estimate | None], factors: Sequence[float]) -> Estimate | None:
    """The sum of estimates on the same examples, each times its factor; None where one of them is undefined."""
    parts = [estimate for estimate in estimates if estimate is not None]
    if len(parts) < len(estimates):
        return None
    first = parts[0]
    assert all(_same_clusters(part, first) for part in parts), "estimates on the same examples have the same clusters"
    if all(np.array_equal(part.denominator, first.denominator) for part in parts):
        columns, denominator = [part.numerator for part in parts], first.denominator
    else:
        columns, denominator = [part.value + part.influence for part in parts], np.ones(first.count)
    graded = all(part.graded for part in parts)
    return Estimate(
        numerator=np.asarray(factors, dtype=np.float64) @ np.stack(columns),
        denominator=denominator,
        clusters=first.clusters,
        runs=tuple(
            replace(spread, share=factor**2 * spread.share)
            for part, factor in zip(parts, factors, strict=True)
            for spread in part.runs
        ),
        graded=graded,
        step=0.0 if graded else max(part.step for part in parts),
    )


def difference(left: Estimate | None, right: Estimate | None) -> Estimate | None:
    """The first estimate less the second, example by example."""
    return combine([left, right], [1.0, -1.0])


def over_runs(estimates: Sequence[Estimate | None]) -> Estimate | None:
    """The mean over runs on the same examples, with the variance between runs as a second source of error.

    Runs differ for two reasons: in all examples together, and in each example for itself. The second is part of the
    examples' own variance, so it is taken off the first, as in an analysis of variance with two factors.
    """
    assert estimates, "a mean over no runs"
    if len(estimates) == 1:
        return estimates[0]
    together = combine(estimates, [1 / len(estimates)] * len(estimates))
    if together is None:
        return None
    runs = [estimate for estimate in estimates if estimate is not None]
    moved = np.stack([run.unit_influence() for run in runs])  # [runs u]
    degrees, units = len(runs) - 1, moved.shape[1]
    within = float(((moved - moved.mean(0)) ** 2).sum()) / (degrees * (units - 1)) / units
    between = float(np.var([run.value for run in runs], ddof=1))
    spread = RunSpread(variance=max(between - within, 0.0), mean_square=between, degrees=degrees, share=1 / len(runs))
    return replace(together, runs=(*together.runs, spread))


def same_examples(left: Estimate | None, right: Estimate | None) -> bool:
    """Whether two estimates can be of the same examples: as many, in the same clusters; one without a meaning can."""
    return left is None or right is None or (left.count == right.count and _same_clusters(left, right))


def _same_clusters(left: Estimate, right: Estimate) -> bool:
    if left.clusters is None or right.clusters is None:
        return left.clusters is right.clusters
    return np.array_equal(left.clusters, right.clusters)
