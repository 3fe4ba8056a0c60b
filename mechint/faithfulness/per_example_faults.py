"""Whether per-example values that were read from a file, which may have been edited, are those of a run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechint.errors import UsageError
from mechint.faithfulness.model_names import curve_name
from mechint.faithfulness.per_example import PerExample

__all__ = ["find_fault", "refuse_other_examples"]

_DRAWN = re.compile(r"(.*/)?(random|with|without)")
"""Models of several draws."""
_POINT = re.compile(r"curve/([0-9.e+-]+)")


def find_fault(values: PerExample) -> str | None:
    """What values lack of what every run leaves, or what of them does not fit together; None where nothing is wrong."""
    for model in ("full", "circuit", "empty", "random"):
        if model not in values.values:
            return f"lacks the values of {model}"
    for model, metrics in values.values.items():
        needed = (values.metric, "loss") if model in ("full", "circuit") else (values.metric,)
        if missing := [metric for metric in needed if metric not in metrics]:
            return f"lacks {_shown(f'{model}/{missing[0]}')}"
    return _find_misshapen(values) or _find_unbound(values) or _find_odd_size(values)


def refuse_other_examples(place: str, runs: Sequence[PerExample]) -> None:
    """Raise UsageError unless all runs have equally many examples, in the same clusters."""
    first, *others = runs
    for run in others:
        ours, theirs = first.cluster, run.cluster
        same = np.array_equal(ours, theirs) if ours is not None and theirs is not None else ours is theirs
        if run.of("full").shape != first.of("full").shape or not same:
            raise UsageError(f"{place}: its runs are of different examples, so they cannot be taken together")


def _find_misshapen(values: PerExample) -> str | None:
    count = values.of("full").size
    for model, metrics in values.values.items():
        dimensions = 2 if _DRAWN.fullmatch(model) else 1
        for metric, tensor in metrics.items():
            if not _is_vector(tensor, count, dimensions):
                return f"{_shown(f'{model}/{metric}')} is {_kind(tensor)}, which does not go with {count:,} examples"
    return None


def _is_vector(tensor: NDArray[Any], count: int, dimensions: int = 1) -> bool:
    """Whether a tensor is float64 ``[n]`` or ``[draws n]``, and not empty."""
    shaped = tensor.ndim == dimensions and tensor.shape[-1] == count and tensor.size > 0
    return shaped and tensor.dtype == np.float64


def _find_unbound(values: PerExample) -> str | None:
    """What is wrong with the weights or clusters of the examples."""
    count, weight, cluster = values.of("full").size, values.weight, values.cluster
    if weight is not None:
        if not _is_vector(weight, count):
            return f"the examples' weights are {_kind(weight)}"
        if not (bool(np.isfinite(weight).all()) and bool((weight >= 0).all()) and float(weight.sum()) > 0):
            return "the examples' weights are not numbers above 0"
    if cluster is not None and (cluster.dtype != np.int64 or cluster.shape != (count,)):
        return f"the examples' clusters are {_kind(cluster)}"
    return None


def _find_odd_size(values: PerExample) -> str | None:
    """A point of the curve whose name says no share of the units as a run would write it."""
    for model in values.values:
        if match := _POINT.fullmatch(model):
            try:
                size = float(match[1])
            except ValueError:
                size = -1.0
            if not 0 < size <= 1 or curve_name(size) != model:
                return f"{_shown(model)} is no point of a curve"
    return "has a curve of a single point" if len(values.sizes) == 1 else None


def _kind(tensor: NDArray[Any]) -> str:
    return f"{tensor.dtype} {list(tensor.shape)}"


def _shown(name: str) -> str:
    return ascii(name)[1:-1][:100]
