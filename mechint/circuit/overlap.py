"""How much circuits have in common, against chance, and how well scores and circuits find a known one.

Circuits and scores are vectors ``[n]``, of a search or read from a file: tensors or arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln
from scipy.stats import kendalltau, rankdata, spearmanr

from mechint.circuit.space import Space

if TYPE_CHECKING:
    from torch import Tensor

    Flat = Tensor | NDArray[Any]

__all__ = [
    "Overlap",
    "RankCorrelation",
    "Stability",
    "auroc",
    "f1",
    "jaccard",
    "overlap",
    "rank_correlation",
    "stability",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """What two circuits have in common."""

    shared: int
    """Units that both keep."""
    jaccard: float
    """Shared units over the units that either keeps."""
    chance: float
    """The Jaccard index that two random circuits with as many units at each site have on average, exactly."""
    p: float
    """Chance that two such random circuits share at least as many units, exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """How alike several circuits are, such as those of several seeds."""

    jaccard: float
    """Mean over all pairs."""
    chance: float
    """The same for random circuits with as many units at each site."""
    pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCorrelation:
    """How alike two rankings of the same units are, from -1 to 1; equal scores share their ranks."""

    spearman: float
    kendall: float
    """Tau-b."""


def jaccard(left: Flat, right: Flat) -> float | None:
    """Units that both circuits ``[n]`` keep over the units that either keeps; None where neither keeps any."""
    first, second = _array(left), _array(right)
    either = int((first | second).sum())
    return int((first & second).sum()) / either if either else None


def overlap(space: Space, left: Flat, right: Flat) -> Overlap | None:
    """Compare two circuits ``[n]`` of a space with chance; None where neither keeps a unit."""
    first, second = _array(left), _array(right)
    index = jaccard(first, second)
    if index is None:
        return None
    shared, kept = int((first & second).sum()), int(first.sum()) + int(second.sum())
    chances = _shared_by_chance(space, first, second)
    counts = np.arange(len(chances))
    return Overlap(
        shared=shared,
        jaccard=index,
        chance=float(chances @ (counts / (kept - counts))),
        p=min(float(chances[shared:].sum()), 1.0),
    )


def stability(space: Space, circuits: Sequence[Flat]) -> Stability | None:
    """Compare all pairs of circuits ``[n]`` with chance; None for fewer than two, or where two are empty."""
    found = [overlap(space, left, right) for left, right in combinations(circuits, 2)]
    pairs = [pair for pair in found if pair is not None]
    if not pairs or len(pairs) < len(found):
        return None
    return Stability(
        jaccard=sum(pair.jaccard for pair in pairs) / len(pairs),
        chance=sum(pair.chance for pair in pairs) / len(pairs),
        pairs=len(pairs),
    )


def rank_correlation(left: Flat, right: Flat) -> RankCorrelation | None:
    """Compare two sets of scores ``[n]``; None where one of them ranks nothing."""
    first, second = (_array(scores).astype(np.float64) for scores in (left, right))
    if not (np.isfinite(first).all() and np.isfinite(second).all()) or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return RankCorrelation(
        spearman=float(spearmanr(first, second).statistic), kendall=float(kendalltau(first, second).statistic)
    )


def auroc(scores: Flat, known: Flat) -> float | None:
    """Chance that a unit of the known circuit ``[n]`` scores above one outside it, ties counting half.

    None where all units or none are known, or where a score is not a number.
    """
    found, there = _array(scores).astype(np.float64), _array(known)
    inside = int(there.sum())
    outside = len(there) - inside
    if inside == 0 or outside == 0 or bool(np.isnan(found).any()):
        return None
    above = float(rankdata(found)[there].sum()) - inside * (inside + 1) / 2
    return above / (inside * outside)


def f1(kept: Flat, known: Flat) -> float | None:
    """Harmonic mean of precision and recall of a circuit ``[n]``; None where it and the known one are empty."""
    ours, there = _array(kept), _array(known)
    total = int(ours.sum()) + int(there.sum())
    return 2 * int((ours & there).sum()) / total if total else None


def _array(values: Flat) -> NDArray[Any]:
    return values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()


def _shared_by_chance(space: Space, left: NDArray[np.bool_], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Chance of each number of shared units, from 0 on: hypergeometric at each site, added up over the sites."""
    chances = np.ones(1)
    for place in space.places.values():
        first, second = left[place], right[place]
        units, ours, theirs = len(first), int(first.sum()), int(second.sum())
        shared = np.arange(min(ours, theirs) + 1)
        # The logarithms of scipy's hypergeom, which takes a hundred times as long for the tails that are summed here.
        ways = _log_choose(ours, shared) + _log_choose(units - ours, theirs - shared)
        chances = np.convolve(chances, np.exp(ways - _log_choose(units, theirs)))
    return chances


def _log_choose(units: int, taken: ArrayLike) -> NDArray[np.float64]:
    """Logarithm of the number of ways to take some of the units; that of 0 where there are fewer."""
    taken = np.asarray(taken)
    ways: NDArray[np.float64] = gammaln(units + 1) - gammaln(taken + 1) - gammaln(units - taken + 1)
    return ways
