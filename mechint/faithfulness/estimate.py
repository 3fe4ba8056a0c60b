"""A measure together with how much each example moves it, from which errors, intervals and comparisons follow.

Every measure of the protocol is a ratio of two means over the same examples: faithfulness is
``mean(circuit - empty) / mean(full - empty)``, a mean loss ``mean(weight * loss) / mean(weight)``. An estimate that
exists has a meaning: where there is none the functions return None, and ``flaw`` says why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

__all__ = ["FEWEST_CLUSTERS", "Estimate", "RunSpread", "Vector", "flaw", "is_graded", "mean", "ratio_of_means"]

Vector = NDArray[np.float64]

FEWEST_CLUSTERS = 8
"""Clusters of equal size, or as good as that many, from which on the error is taken between clusters. With fewer it is
taken between examples, and speaks of these clusters alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpread:
    """What repeated runs on the same examples, such as seeds or random circuits, add to the error of their mean."""

    variance: float
    """Of one run's value, less what the noise of its examples explains; 0 where that explains all of it."""
    mean_square: float
    """Variance of the runs' values as they are."""
    degrees: int
    """Degrees of freedom of the mean square."""
    share: float
    """Of ``variance`` in the estimate's own: 1 / runs for a mean over runs."""

    @property
    def doubt(self) -> float:
        """The squared mean square over its degrees of freedom, a term of Satterthwaite's sum."""
        return (self.share * self.mean_square) ** 2 / self.degrees


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimate:
    """A ratio of two means over examples ``[n]``, the second mean positive."""

    numerator: Vector
    """``[n]``, by the weights."""
    denominator: Vector
    """``[n]``, by the weights; the weights themselves for a mean."""
    clusters: NDArray[np.intp] | None = None
    """Number of each example's cluster ``[n]``; None where each example was drawn by itself."""
    runs: tuple[RunSpread, ...] = ()
    share: bool = False
    """Whether it is the share of the examples for which something holds, all examples counting alike."""
    graded: bool = False
    """Whether the metric takes so many values that two models agree on all examples only by being the same."""
    step: float = 0.0
    """How far the value moves when a metric of 0 and 1 flips on every example; 0 for other metrics."""

    @property
    def count(self) -> int:
        """Number of examples."""
        return len(self.numerator)

    @property
    def value(self) -> float:
        return float(self.numerator.sum() / self.denominator.sum())

    @property
    def influence(self) -> Vector:
        """How much each example moves the value ``[n]``, 0 on average."""
        return (self.numerator - self.value * self.denominator) / float(self.denominator.mean())

    def units(self) -> tuple[Vector, Vector]:
        """Numerators and denominators ``[u]`` of what was drawn by itself: examples, or clusters of them."""
        if self.clusters is None:
            return self.numerator, self.denominator
        above, below = (np.bincount(self.clusters, part) for part in (self.numerator, self.denominator))
        return above.astype(np.float64), below.astype(np.float64)

    def unit_influence(self) -> Vector:
        """How much each unit moves the value ``[u]``, 0 on average."""
        numerator, denominator = self.units()
        return (numerator - self.value * denominator) / float(denominator.mean())

    @property
    def flat(self) -> bool:
        """Whether no example moves the value, but for rounding."""
        size = abs(self.value) + float(np.abs(self.numerator).max() / self.denominator.mean())
        return float(np.abs(self.influence).max()) <= 1e-12 * size

    @property
    def uninformative(self) -> bool:
        """Whether its examples are alike in a way that says nothing of others: constant, and of an unknown scale."""
        return self.flat and not (self.graded or self.step > 0 or self.run_variance > 0)

    @property
    def sampling_variance(self) -> float:
        """Variance of the value over other examples."""
        moved = self.unit_influence()
        return float(moved @ moved) / (len(moved) * (len(moved) - 1))

    @property
    def run_variance(self) -> float:
        """Variance of the value over other runs on the same examples; 0 where there was one run."""
        return sum(spread.share * spread.variance for spread in self.runs)

    @property
    def error(self) -> float:
        """Standard error of the value, from examples and runs."""
        return math.sqrt(self.sampling_variance + self.run_variance)

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the error, by Welch and Satterthwaite."""
        most = float(len(self.units()[0]) - 1)
        if self.error == 0 or not self.runs:
            return most
        sampling = self.sampling_variance
        doubt = sampling**2 / most + sum(spread.doubt for spread in self.runs)
        return (sampling + self.run_variance) ** 2 / doubt


def mean(
    values: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: Sequence[object] | None = None,
    graded: bool = False,
) -> Estimate | None:
    """The mean of values ``[n]``, by weights ``[n]`` where there are any.

    ``graded`` says that they are not of a metric of 0 and 1, whatever they look like.
    """
    found = np.asarray(values, dtype=np.float64)
    if flaw(found):
        return None
    counted, codes = _weights(weights, len(found)), _codes(clusters)
    binary = not graded and bool(np.isin(found, (0.0, 1.0)).all())
    return Estimate(
        numerator=counted * found,
        denominator=counted,
        clusters=codes,
        share=binary and bool((counted == 1).all()),
        graded=graded or (not binary and is_graded(found)),
        step=float(binary),
    )


def ratio_of_means(
    numerator: ArrayLike,
    denominator: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: Sequence[object] | None = None,
) -> Estimate | None:
    """The ratio of the means of two differences ``[n]`` on the same examples, such as faithfulness."""
    above, below = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    if flaw(above, below, weights=weights, clusters=clusters):
        return None
    counted = _weights(weights, len(above))
    scale = float((counted * below).sum() / counted.sum())
    binary = bool(np.isin([above, below], (-1.0, 0.0, 1.0)).all())
    return Estimate(
        numerator=math.copysign(1.0, scale) * counted * above,
        denominator=math.copysign(1.0, scale) * counted * below,
        clusters=_codes(clusters),
        graded=not binary and is_graded(below),
        step=1 / abs(scale) if binary else 0.0,
    )


def flaw(
    numerator: ArrayLike,
    denominator: ArrayLike | None = None,
    *,
    weights: ArrayLike | None = None,
    clusters: Sequence[object] | None = None,
) -> str:
    """Why the ratio of these means, or the mean of the one, has no meaning; empty where it has one."""
    given = [np.asarray(values, dtype=np.float64) for values in (numerator, denominator) if values is not None]
    assert all(values.shape == (given[0].size,) for values in given), "one value for each example"
    if given[0].size < 2:
        return "one example has no spread" if given[0].size else "there are no examples"
    if not all(np.isfinite(values).all() for values in given):
        return "not every example's value is a finite number"
    if denominator is not None:
        below = mean(given[1], weights=weights, clusters=clusters)
        assert below is not None, "two finite values have a mean"
        if abs(below.value) <= float(stdtrit(below.degrees, 0.975)) * below.error:
            return "the full and the fully ablated model do not differ beyond the 95 % interval of their difference"
    return ""


def is_graded(values: NDArray[np.floating[Any]]) -> bool:
    """Whether more than half of the values are different ones; none of them nan."""
    return 2 * len(np.unique(values)) > values.size


def _weights(weights: ArrayLike | None, count: int) -> Vector:
    """Weights ``[n]``, all 1 where there are none."""
    found = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
    assert found.shape == (count,), f"{count} examples and weights of shape {found.shape}"
    assert bool((found > 0).all()), "every example counts"
    return found


def _codes(clusters: Sequence[object] | None) -> NDArray[np.intp] | None:
    """Clusters numbered from 0 ``[n]``; None where they are too few to tell how much clusters differ."""
    if clusters is None:
        return None
    numbers = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    codes = np.array([numbers[name] for name in clusters], dtype=np.intp)
    sizes = np.bincount(codes).astype(np.float64)
    return codes if sizes.sum() ** 2 / (sizes @ sizes) >= FEWEST_CLUSTERS else None
