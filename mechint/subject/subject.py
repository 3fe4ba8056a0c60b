"""A loaded model with the names of its activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mechint.circuit.space import Site, SiteUnits, Space

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Architecture", "Shape", "Subject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A family of models as a table: which module's output is which site.

    ``sites`` maps a kind to a module path in which ``{layer}`` stands for the layer's number. The last axis of that
    output holds the site's units, head after head.
    """

    name: str
    sites: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes of a model that analyses need."""

    n_layer: int
    n_head: int
    n_kv_head: int
    """Fewer than ``n_head`` under grouped-query attention."""
    d_head: int
    d_model: int
    n_vocab: int
    context: int
    """Longest input, in tokens."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """A frozen model in eval mode, its site names and where it came from."""

    model: nn.Module
    architecture: Architecture
    shape: Shape
    path: str
    sha256: str
    step: int | None
    """Training step, where the checkpoint states one."""

    def logits(self, tokens: Tensor) -> Tensor:
        """Run the model's own forward pass: ``[b p]`` tokens to ``[b p v]`` logits."""
        out: Tensor = self.model(tokens)
        return out

    def module_of(self, site: Site) -> nn.Module:
        """The module whose output is the site."""
        return self.model.get_submodule(self.architecture.sites[site.kind].format(layer=site.layer))

    def kv_space(self) -> Space:
        """The K and V channels of every layer, ``[g k]`` units at each site."""
        shape = self.shape
        return Space(
            sites=tuple(
                SiteUnits(site=Site(layer, kind), heads=shape.n_kv_head, width=shape.d_head)
                for layer in range(shape.n_layer)
                for kind in ("k", "v")
            )
        )
