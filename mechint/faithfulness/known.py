"""A circuit that is known, read from a file: what scores and circuits are compared with.

The file is ``{"units": {"z.0": [3], "mlp_post.1": [5, 17]}}``: for each site the numbers of its units. A site that is
left out has none; of a unit of several channels, such as a head, the number counts heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from mechint.checkpoint.strict_json import parse_json
from mechint.circuit.space import Site, Space
from mechint.errors import CheckpointError, DataError
from mechint.spec.suggest import did_you_mean

__all__ = ["read_known_circuit"]

MOST_BYTES = 1 << 26
MOST_UNITS = 10_000_000


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
    for name, units in _read(path).units.items():
        site = names.get(name)
        if site is None:
            raise DataError(f"{path}: the circuit has no site {name!r}{did_you_mean(name, names)}; {_listed(names)}")
        if beyond := [unit for unit in units if unit >= len(views[site])]:
            raise DataError(f"{path}: {name} has {len(views[site])} units, numbered from 0; there is no {beyond[0]}")
        views[site][list(units)] = True
    if not known.any() or known.all():
        raise DataError(f"{path}: names {'every' if known.all() else 'no'} unit, so nothing can be told apart")
    return known


def _read(path: str) -> _File:
    try:
        if Path(path).stat().st_size > MOST_BYTES:
            raise DataError(f"{path}: is larger than {MOST_BYTES >> 20} MiB")
        raw = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    try:
        return (
            _File.model_validate_json(raw) if parse_json(f"{path}:", raw, most_values=MOST_UNITS) else _File(units={})
        )
    except CheckpointError as error:
        raise DataError(str(error)) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f'{path}: {place}: {first["msg"].lower()}; it is {{"units": {{"z.0": [3]}}}}') from None


def _listed(names: Mapping[str, Site]) -> str:
    shown = list(names)[:8]
    return f"it has {', '.join(shown)}{' …' if len(names) > len(shown) else ''}"
