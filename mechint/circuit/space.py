"""Where a circuit can be cut: sites of the model and the units at each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Site", "SiteUnits", "Space", "Unit", "count_kept"]

Unit = Literal["channel", "head", "site"]
"""What a circuit keeps or drops as one."""


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
    """The units of one site: ``grain`` channels after one another of its last axis ``[heads*width]`` each."""

    site: Site
    heads: int
    width: int
    grain: int = 1
    """1 where channels or neurons are units, ``width`` where heads are, ``heads*width`` where the whole site is one."""

    @property
    def channels(self) -> int:
        return self.heads * self.width

    @property
    def count(self) -> int:
        return self.channels // self.grain


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """All units a search may keep or drop, laid out as one vector in the order of ``sites``."""

    sites: tuple[SiteUnits, ...]

    @property
    def size(self) -> int:
        """Number of units over all sites; the ``n`` in "sparsity to one unit"."""
        return sum(units.count for units in self.sites)

    @property
    def places(self) -> dict[Site, slice]:
        """Where the units of each site lie in a vector of all units."""
        ends = list(accumulate(units.count for units in self.sites))
        return {units.site: slice(end - units.count, end) for units, end in zip(self.sites, ends, strict=True)}

    def split(self, flat: Tensor) -> dict[Site, Tensor]:
        """Cut values of all units ``[… n]`` into one view per site ``[… units of the site]``."""
        assert flat.shape[-1] == self.size, f"expected values of {self.size} units, got shape {tuple(flat.shape)}"
        pieces = flat.split([units.count for units in self.sites], dim=-1)
        return {units.site: piece for units, piece in zip(self.sites, pieces, strict=True)}

    def spread(self, flat: Tensor) -> dict[Site, Tensor]:
        """Cut values of all units ``[… n]`` into one tensor per site, each unit's at all its channels ``[… u]``."""
        grains = {units.site: units.grain for units in self.sites}
        return {
            site: piece if grains[site] == 1 else piece.repeat_interleave(grains[site], dim=-1)
            for site, piece in self.split(flat).items()
        }

    @property
    def layers(self) -> tuple[int, ...]:
        """The layer of every unit, in their order."""
        return tuple(units.site.layer for units in self.sites for _ in range(units.count))

    def kept_count(self, sparsity: float) -> int:
        """Units left at a sparsity."""
        return count_kept(self.size, sparsity)


def count_kept(size: int, sparsity: float) -> int:
    """How many of ``size`` are left when the share ``sparsity`` is dropped, to the nearest whole one."""
    return size - round(sparsity * size)
