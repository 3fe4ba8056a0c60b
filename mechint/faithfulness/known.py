"""A circuit that is known, read from a file: what scores and circuits are compared with.

The file is ``{"units": {"z.0": [3], "mlp_post.1": [5, 17]}}``: for each site the numbers of its units. A site that is
left out has none; of a unit of several channels, such as a head, the number counts heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from mechint.circuit.space import Site, Space
from mechint.errors import DataError
from mechint.spec.suggest import did_you_mean
from mechint.task.json_file import read_json_file

__all__ = ["read_known_circuit"]

EXAMPLE = '{"units": {"z.0": [3]}}'


class _File(BaseModel):
    """What the file holds; keys beside the units say where they come from."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    units: Mapping[str, tuple[Annotated[int, Field(ge=0)], ...]]


def read_known_circuit(path: str, space: Space) -> Tensor:
    """The units ``[n]`` of a space that the file names, as a boolean vector.

    Raises DataError where the file cannot be read, or names a site or unit that the space lacks, or no unit at all.
    """
    known = torch.zeros(space.size, dtype=torch.bool)
    views = space.split(known)
    names = {str(site): site for site in views}
    for name, units in read_json_file(path, _File, EXAMPLE).units.items():
        site = names.get(name)
        if site is None:
            raise DataError(f"{path}: the circuit has no site {name!r}{did_you_mean(name, names)}; {_listed(names)}")
        if beyond := [unit for unit in units if unit >= len(views[site])]:
            raise DataError(f"{path}: {name} has {len(views[site])} units, numbered from 0; there is no {beyond[0]}")
        views[site][list(units)] = True
    if not known.any() or known.all():
        raise DataError(f"{path}: names {'every' if known.all() else 'no'} unit, so nothing can be told apart")
    return known


def _listed(names: Mapping[str, Site]) -> str:
    shown = list(names)[:8]
    return f"it has {', '.join(shown)}{' …' if len(names) > len(shown) else ''}"
