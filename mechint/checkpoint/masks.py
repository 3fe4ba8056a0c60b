"""Reading ``final_masks.pt``, this program's and the older tool's, without running anything in it.

Layouts::

    {"k.3": {"mask", "importance", "sparsity"}, …}                               this program's: a mask a site
    {"transformer.h.3.attn": {"logits", "mask", "importance", "sparsity"}, …}    the older tool's: one for K and V
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mechint.checkpoint.arrays import read_arrays
from mechint.errors import CheckpointError, UsageError

__all__ = ["SHARED", "SiteMask", "read_masks"]

SHARED = "k and v"
"""What the older tool's masks are masks of."""

_OURS = re.compile(r"(?P<kind>[a-z_]{1,40})\.(?P<layer>[0-9]{1,5})")
_OLDER = re.compile(r"transformer\.h\.(?P<layer>[0-9]{1,5})\.attn")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteMask:
    """The mask and the scores of one site, each ``[heads width]``."""

    kind: str
    """``k``, ``mlp_post``, …, or ``SHARED``."""
    layer: int
    kept: NDArray[np.bool_]
    scores: NDArray[np.float32]
    """A score may be no number."""

    @property
    def title(self) -> str:
        """For people: ``layer 3 · K · 12/64 kept``."""
        name = self.kind.upper() if len(self.kind) == 1 else self.kind
        return f"layer {self.layer} · {name} · {int(self.kept.sum())}/{self.kept.size} kept"


def read_masks(path: str) -> list[SiteMask]:
    """Every site of the file in the order of layers, and within a layer in that of the file.

    Raises UsageError for a file that holds anything else.
    """
    try:
        content = read_arrays(path)
        if not isinstance(content, Mapping) or not content:
            raise CheckpointError(f"{path}: holds no site")
        sites = [_site(path, name, entry) for name, entry in content.items()]
    except CheckpointError as error:
        raise UsageError(str(error)) from None
    if len({site.kind == SHARED for site in sites}) > 1:
        raise UsageError(f"{path}: holds masks of this program and of the older tool; keep those of one")
    return sorted(sites, key=lambda site: site.layer)


def _site(path: str, name: object, entry: object) -> SiteMask:
    match = (_OURS.fullmatch(name) or _OLDER.fullmatch(name)) if isinstance(name, str) else None
    if match is None:
        raise CheckpointError(f"{path}: {ascii(name)[:100]} is not the name of a site, such as 'k.3'")
    mask, scores = (_values(path, f"{name}.{key}", entry, key) for key in ("mask", "importance"))
    if mask.shape != scores.shape:
        raise CheckpointError(f"{path}: {name} has a mask of shape {list(mask.shape)}, scores of {list(scores.shape)}")
    kind = match.groupdict().get("kind", SHARED)
    return SiteMask(kind=kind, layer=int(match["layer"]), kept=mask > 0.5, scores=scores)


def _values(path: str, place: str, entry: object, key: str) -> NDArray[np.float32]:
    """A table of numbers ``[heads width]``."""
    found = entry.get(key) if isinstance(entry, Mapping) else None
    if not isinstance(found, np.ndarray):
        raise CheckpointError(f"{path}: {place} is of type {type(found).__name__}, no tensor")
    if found.ndim != 2 or not found.size:
        raise CheckpointError(f"{path}: {place} has shape {list(found.shape)}; expected heads by channels")
    return found.astype(np.float32, copy=False)
