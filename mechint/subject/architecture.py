"""A family of models as a table: where each site's value lies among the modules of the checkpoint's own model.

Sites are named as the field names them, the same for every family:

==============  ==========================================================================================
embed           token embeddings, before positions are added
resid_pre.L     the residual stream that enters block L
resid_mid.L     the residual stream between attention and MLP, where they follow each other
resid_post.L    the residual stream that leaves block L
q.L k.L v.L     outputs of the projections, before any norm and before rotary positions
z.L             outputs of the heads, before they are projected
attn_out.L      what attention adds to the residual stream
mlp_post.L      the MLP's neurons: what its last projection reads
mlp_out.L       what the MLP adds to the residual stream
==============  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from mechint.circuit.space import Site
from mechint.codes import Code
from mechint.errors import CheckpointError

__all__ = ["EMBED", "KINDS", "Architecture", "Tap", "into", "out_of", "part_of", "stream_into"]

KINDS = ("embed", "resid_pre", "resid_mid", "resid_post", "q", "k", "v", "z", "attn_out", "mlp_post", "mlp_out")
EMBED = Site(-1, "embed")
"""The one site without a layer; it comes before all layers."""

Side = Literal["in", "out"]
Layout = Literal["concatenated", "interleaved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """Where one site's value can be read and replaced."""

    module: str
    """Path of the module; ``{block}`` stands for the layer's block."""
    side: Side
    fused: Layout | None = None
    """How q, k and v share one projection's output: after each other, or head by head."""
    carried: bool = False
    """The residual stream runs past this module too, so what replaces it must be carried to the block's end."""
    flat: bool = False
    """The module sees batch and positions as one axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The taps of a family, and the models that it fits."""

    name: str
    block: str
    """Path of a layer's block; ``{layer}`` stands for its number."""
    sites: Mapping[str, Tap]
    """By kind of site."""
    model_types: tuple[str, ...] = ()
    """``model_type`` in config.json."""
    when: Mapping[str, object] = field(default_factory=dict)
    """Values that the config must have, for families with variants."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """For a kind of site that the family does not have: why."""
    by_type_only: bool = False
    """Fits the modules of other families too, so that a model is taken for one only by its type."""
    mixes_heads: bool = False
    """``z`` holds more than each head's own weighted values."""
    bidirectional: bool = False
    """Positions see later ones too."""
    post_norm: bool = False
    """The residual stream itself is normalised in every block, so it is no sum of what was added to it."""

    def tap(self, site: Site) -> Tap:
        """The site's tap, with the path of its module written out."""
        tap = self.sites.get(site.kind)
        if tap is None:
            because = f": {self.absent[site.kind]}" if site.kind in self.absent else ""
            known = ", ".join(kind for kind in KINDS if kind in self.sites)
            message = f"{self.name} has no site {site.kind}{because}; it has {known}"
            raise CheckpointError(message, code=Code.ARCHITECTURE)
        return replace(tap, module=self.path(tap.module, site.layer))

    def path(self, module: str, layer: int) -> str:
        """A path of the table, written out for a layer."""
        return module.replace("{block}", self.block).format(layer=layer)


def out_of(module: str, *, flat: bool = False) -> Tap:
    """The module's output, or the first of several."""
    return Tap(module=module, side="out", flat=flat)


def into(module: str, *, flat: bool = False) -> Tap:
    """The module's first input."""
    return Tap(module=module, side="in", flat=flat)


def part_of(module: str, layout: Layout) -> Tap:
    """The q, k or v in the output of a projection that gives all three."""
    return Tap(module=module, side="out", fused=layout)


def stream_into(module: str, *, flat: bool = False) -> Tap:
    """The residual stream where the module reads it; the block adds ``mlp_out`` to the same value."""
    return Tap(module=module, side="in", carried=True, flat=flat)
