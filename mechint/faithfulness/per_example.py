"""What was measured of every model, example by example: everything that measures and comparisons follow from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechint.faithfulness.estimate import Vector
from mechint.files import write_tensors

__all__ = ["PerExample", "stack_draws"]

_DRAW = re.compile(r"(?P<family>.*\b(?:random|with|without))/(?P<number>\d+)")
_POINT = re.compile(r"curve/([0-9.e+-]+)")
_WEIGHT, _CLUSTER = "examples/weight", "examples/cluster"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PerExample:
    """The values of every metric and model, with what binds the examples."""

    metric: str
    """The task's."""
    higher_is_better: bool
    values: Mapping[str, Mapping[str, Vector]]
    """By model and metric: float64 ``[n]``; of several draws, such as ``random``, ``[draws n]``."""
    weight: Vector | None = None
    """``[n]``, what each example counts in a mean; None where all count alike."""
    cluster: NDArray[np.int64] | None = None
    """``[n]``, the number of an example's template; None where examples are independent."""

    def of(self, model: str) -> Vector:
        """The task's metric of a model."""
        return self.values[model][self.metric]

    def take(self, rows: Sequence[int]) -> PerExample:
        """The values of these examples alone, in that order; one may be there more than once."""
        at = np.array(rows, dtype=np.int64)
        return replace(
            self,
            values={
                model: {metric: values[..., at] for metric, values in metrics.items()}
                for model, metrics in self.values.items()
            },
            weight=None if self.weight is None else self.weight[at],
            cluster=None if self.cluster is None else self.cluster[at],
        )

    def mean(self, values: Vector) -> float:
        """Mean of ``[n]`` or ``[draws n]`` over the examples by their weights, and over the draws."""
        if self.weight is None:
            return float(values.mean())
        return float(((values * self.weight).sum(-1) / self.weight.sum()).mean())

    @property
    def means(self) -> dict[str, dict[str, float]]:
        """By model and metric."""
        return {
            model: {metric: self.mean(values) for metric, values in metrics.items()}
            for model, metrics in self.values.items()
        }

    @property
    def sizes(self) -> tuple[float, ...]:
        """The sizes of the curve, rising; empty where there is none."""
        return tuple(sorted(float(match[1]) for model in self.values if (match := _POINT.fullmatch(model))))

    @property
    def tensors(self) -> dict[str, NDArray[Any]]:
        """Everything by name: values under names such as ``circuit/loss``, and what binds the examples."""
        named = {
            f"{model}/{metric}": values for model, metrics in self.values.items() for metric, values in metrics.items()
        }
        bound = {_WEIGHT: self.weight, _CLUSTER: self.cluster}
        return named | {name: tensor for name, tensor in bound.items() if tensor is not None}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, NDArray[Any]], metric: str, *, higher_is_better: bool) -> PerExample:
        """The values that ``tensors`` gave."""
        values: dict[str, dict[str, NDArray[Any]]] = {}
        for name, tensor in tensors.items():
            if name not in (_WEIGHT, _CLUSTER):
                model, _, of = name.rpartition("/")
                values.setdefault(model, {})[of] = tensor
        return cls(
            metric=metric,
            higher_is_better=higher_is_better,
            values=values,
            weight=tensors.get(_WEIGHT),
            cluster=tensors.get(_CLUSTER),
        )

    def save(self, path: Path) -> None:
        """Write everything as safetensors, with the metric and its direction beside the tensors."""
        facts = {"metric": self.metric, "better": "higher" if self.higher_is_better else "lower"}
        write_tensors(path, self.tensors, facts)


def stack_draws(flat: Mapping[str, Mapping[str, Vector]]) -> dict[str, dict[str, Vector]]:
    """Gather draws of one kind, ``random/0``, ``random/1`` …, of ``[n]`` each into ``random`` of ``[draws n]``."""
    gathered: dict[str, dict[str, list[Vector]]] = {}
    stacked: dict[str, dict[str, Vector]] = {}
    for name, metrics in flat.items():
        if draw := _DRAW.fullmatch(name):
            for metric, values in metrics.items():
                gathered.setdefault(draw["family"], {}).setdefault(metric, []).append(values)
        else:
            stacked[name] = dict(metrics)
    for family, by_metric in gathered.items():
        stacked[family] = {metric: np.stack(values) for metric, values in by_metric.items()}
    return stacked
