"""Areas under a curve of faithfulness against circuit size.

CPR and CMD are those of the Mechanistic Interpretability Benchmark (Mueller et al. 2025, 2504.13151): trapezoids over
the sizes given, without a point at 0. At the benchmark's ten sizes 85 % of that area lies at a fifth of the units
and above, so ``cpr_log`` gives every factor in size the same weight.

Areas under faithfulness are sums: ``combine(estimates, linear_weights(sizes))`` is a CPR with its error.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from mechint.faithfulness.estimate import Vector

__all__ = ["cmd", "cpr", "cpr_log", "linear_weights", "log_weights"]


def cpr(sizes: Sequence[float], faithfulness: ArrayLike) -> float:
    """Area under faithfulness ``[s]``: the higher, the more of the model is in small circuits."""
    return float(linear_weights(sizes) @ np.asarray(faithfulness, dtype=np.float64))


def cmd(sizes: Sequence[float], faithfulness: ArrayLike) -> float:
    """Area between faithfulness ``[s]`` and 1: the lower, the closer circuits are to the model, from either side."""
    return float(linear_weights(sizes) @ abs(1 - np.asarray(faithfulness, dtype=np.float64)))


def cpr_log(sizes: Sequence[float], faithfulness: ArrayLike) -> float:
    """Mean faithfulness ``[s]`` along the logarithm of the size: 1 for circuits as good as the model."""
    return float(log_weights(sizes) @ np.asarray(faithfulness, dtype=np.float64))


def linear_weights(sizes: Sequence[float]) -> Vector:
    """What each size counts in the trapezoid over sizes ``[s]``."""
    return _trapezoid(_rising(sizes))


def log_weights(sizes: Sequence[float]) -> Vector:
    """What each size counts in the trapezoid over the logarithm of the size ``[s]``; they add up to 1."""
    at = np.log(_rising(sizes))
    return _trapezoid(at) / float(at[-1] - at[0])


def _rising(sizes: Sequence[float]) -> Vector:
    """The sizes ``[s]``, shares of the units."""
    assert len(sizes) > 1, "a curve has two points or more"
    assert all(low < high for low, high in pairwise([0.0, *sizes])), f"sizes rise from above 0, unlike {sizes}"
    return np.asarray(sizes, dtype=np.float64)


def _trapezoid(at: Vector) -> Vector:
    """Half the distance between each point's neighbours; the first and the last are their own."""
    padded = np.concatenate([at[:1], at, at[-1:]])
    weights: Vector = (padded[2:] - padded[:-2]) / 2
    return weights
