"""Where a circuit can be cut: sites of the model and the units at each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Site", "SiteUnits", "Space", "count_kept"]


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """An activation by its name in the field, the same for every architecture: ``k.3``.

    Sorted by layer first, so that layer 2 comes before layer 10.
    """

    layer: int
    kind: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.layer}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteUnits:
    """The units of one site: the channels ``[g k]`` of its last axis, ``heads`` times ``width`` of them."""

    site: Site
    heads: int
    width: int

    @property
    def count(self) -> int:
        return self.heads * self.width


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """All units a search may keep or drop, laid out as one vector in the order of ``sites``."""

    sites: tuple[SiteUnits, ...]

    @property
    def size(self) -> int:
        """Number of units over all sites; the ``n`` in "sparsity to one unit"."""
        return sum(units.count for units in self.sites)

    def split(self, flat: Tensor) -> dict[Site, Tensor]:
        """Cut a vector over all units ``[n]`` into one view per site ``[units of the site]``."""
        assert flat.shape == (self.size,), f"expected a vector of {self.size} units, got shape {tuple(flat.shape)}"
        pieces = flat.split([units.count for units in self.sites])
        return {units.site: piece for units, piece in zip(self.sites, pieces, strict=True)}

    def kept_count(self, sparsity: float) -> int:
        """Units left at a sparsity."""
        return count_kept(self.size, sparsity)


def count_kept(size: int, sparsity: float) -> int:
    """How many of ``size`` are left when the share ``sparsity`` is dropped, to the nearest whole one."""
    return size - round(sparsity * size)
