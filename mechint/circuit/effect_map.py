"""A map of effects: what interventions at a table of places did, example by example."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechint.files import write_tensors

__all__ = ["EffectMap", "save_effects"]

_NAME = re.compile(r"[a-z][a-z_0-9]*")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EffectMap:
    """What interventions at a table of places did, example by example.

    A cell is called ``name.row@column``: ``mlp_out.5@last_subject``.
    """

    name: str
    """Of the kind of site or the quantity, unique in an analysis, in lower case: ``mlp_out``."""
    title: str
    """For people: ``share of the logit difference that comes back when mlp_out is restored``."""
    quantity: str
    """Label of the colour scale, with its unit."""
    rows: tuple[str, ...]
    """Labels, the numbers of the layers in order where ``row_axis`` is ``layer``."""
    columns: tuple[str, ...]
    """Labels: heads ``0``, ``1``; roles ``last_subject``, ``last``; positions ``0 When``, ``1 Mary``."""
    row_axis: str
    """What a row is: ``layer``."""
    column_axis: str
    """What a column is: ``head``, ``position``, ``role``."""
    values: NDArray[np.floating[Any]]
    """``[n r c]``, nan where an example lacks the place."""
    clusters: NDArray[np.int64] | None = None
    """``[n]``, the number of each example's template; None where examples are independent."""

    def __post_init__(self) -> None:
        shape = (len(self.rows), len(self.columns))
        assert _NAME.fullmatch(self.name), f"{self.name!r} is no name of a map"
        assert isinstance(self.values, np.ndarray), f"{self.name}: effects are a {type(self.values).__name__}, no array"
        assert self.values.dtype.kind == "f", f"{self.name}: effects are {self.values.dtype}"
        assert self.values.ndim == 3, f"{self.name}: effects have the shape {tuple(self.values.shape)}"
        assert self.values.shape[1:] == shape, f"{self.name}: {tuple(self.values.shape)} has not the labels' {shape}"
        assert len(set(self.rows)) == len(self.rows), f"{self.name}: two rows have one label"
        assert len(set(self.columns)) == len(self.columns), f"{self.name}: two columns have one label"
        assert self.clusters is None or len(self.clusters) == len(self.values), f"{self.name}: a cluster an example"

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean effect ``[r c]`` over the examples that have the place; nan where none has."""
        counts = self.counts
        sums = np.nansum(self.values, axis=0, dtype=np.float64)
        means: NDArray[np.float64] = np.divide(sums, counts, out=np.full(counts.shape, np.nan), where=counts > 0)
        return means

    @property
    def counts(self) -> NDArray[np.intp]:
        """How many examples have each place ``[r c]``."""
        return np.asarray((~np.isnan(self.values)).sum(0))

    def cell(self, row: str, column: str) -> str:
        """The name of a cell: ``mlp_out.5@last_subject``."""
        return f"{self.name}.{row}@{column}"


def save_effects(maps: Sequence[EffectMap], path: Path) -> None:
    """Write ``{name: [n r c]}`` as safetensors, with each map's axes and labels as JSON in the metadata."""
    axes = {one.name: {one.row_axis: one.rows, one.column_axis: one.columns} for one in maps}
    values = {one.name: one.values for one in maps}
    write_tensors(path, values, {name: json.dumps(labels) for name, labels in axes.items()})
