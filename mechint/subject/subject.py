"""A loaded model with the names of its activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from mechint.circuit.space import Site, SiteUnits, Space, Unit
from mechint.errors import DataError
from mechint.subject.architecture import EMBED, Architecture
from mechint.subject.readout import Picked, Readout, Unembedding
from mechint.subject.tokenizer import Tokenizer, no_tokenizer

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Forward", "Shape", "Subject"]

Forward = Callable[["nn.Module", "Tensor", "Tensor | None"], "Tensor"]
"""Runs a model on tokens ``[b p]`` and a mask ``[b p]`` of what is no padding, or None: logits ``[b p v]``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes of a model that analyses need."""

    n_layer: int
    n_head: int
    n_kv_head: int
    """Fewer than ``n_head`` under grouped-query attention."""
    d_head: int
    d_model: int
    d_embed: int
    """Of a token's embedding; narrower than ``d_model`` where a projection follows it."""
    d_mlp: int
    """Neurons of a layer; 0 where no site has them."""
    n_vocab: int
    context: int
    """Longest input, in tokens."""


def _plain(model: nn.Module, tokens: Tensor, mask: Tensor | None) -> Tensor:
    logits: Tensor = model(tokens, mask)
    return logits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """A frozen model in eval mode, its site names and where it came from."""

    model: nn.Module
    architecture: Architecture
    shape: Shape
    name: str
    """As reports and errors call it."""
    sha256: str
    """Of the checkpoint's bytes; of a folder's, the hash of its files' hashes."""
    step: int | None
    """Training step, where the checkpoint states one."""
    forward: Forward = _plain
    """How this kind of model is called."""
    unembedding: Unembedding | None = None
    """None where it is not known, so that logits come for every position."""
    tokenizer: Callable[[], Tokenizer] = no_tokenizer
    """Loads the checkpoint's tokenizer; raises CheckpointError where there is none."""
    autocast: torch.dtype | None = None
    """What a search computes products in; None for the weights' own dtype, which every measurement uses."""

    most_at_once: int | None = None
    """Examples in a pass at most; None where memory has not run out."""

    def at_once(self, count: int) -> int:
        """How many of ``count`` examples a pass may hold."""
        return count if self.most_at_once is None else min(count, self.most_at_once)

    def logits(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Run the model's own forward pass: ``[b p]`` tokens to ``[b p v]`` logits, in float32 at least.

        ``mask`` ``[b p]`` is true at tokens and false at padding, on either side; None where nothing is padded.
        """
        logits = self._run(tokens, mask)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def readout(self, tokens: Tensor, mask: Tensor | None, where: Tensor) -> Readout:
        """Run the model's own forward pass and keep what it predicts where ``where`` ``[b p]`` is true."""
        n_vocab = self.shape.n_vocab
        if self.unembedding is None:
            logits = self._run(tokens, mask)
            return Readout(last=logits[where.to(logits.device)], unembed=None, n_vocab=n_vocab)
        module, picked = self.module(self.unembedding.path), Picked(where, self.unembedding)
        handle = module.register_forward_pre_hook(picked)
        try:
            logits = self._run(tokens, mask)
        finally:
            handle.remove()
        if picked.last is None:
            return Readout(last=logits[0], unembed=None, n_vocab=n_vocab)
        return Readout(last=picked.last, unembed=module, n_vocab=n_vocab)

    def run(self, tokens: Tensor, mask: Tensor | None = None) -> None:
        """Run the model's own forward pass for the sake of its hooks; nothing is predicted."""
        self.readout(tokens, mask, torch.zeros_like(tokens, dtype=torch.bool))

    def _run(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        if tokens.shape[1] > self.shape.context:
            raise DataError(f"{tokens.shape[1]} tokens are more than the {self.shape.context} that {self.name} reads")
        device = self.device
        return self.forward(self.model, tokens.to(device), None if mask is None else mask.to(device))

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return next(self.model.parameters()).dtype

    @property
    def search_dtype(self) -> torch.dtype:
        """Of the products in a search."""
        return self.autocast or self.dtype

    @contextmanager
    def searching(self) -> Iterator[None]:
        """Compute the products in the block in ``search_dtype``."""
        with torch.autocast(self.device.type, dtype=self.autocast, enabled=self.autocast is not None):
            yield

    def module(self, path: str) -> nn.Module:
        """The module at a path of the architecture's table."""
        return self.model.get_submodule(path)

    def block(self, layer: int) -> nn.Module:
        """The module of a whole layer."""
        return self.module(self.architecture.block.format(layer=layer))

    def units(self, site: Site, unit: Unit = "channel") -> SiteUnits:
        """The units of a site: its channels or neurons, head by head where it has heads; its heads; or the whole."""
        shape = self.shape
        heads, width = {
            "q": (shape.n_head, shape.d_head),
            "k": (shape.n_kv_head, shape.d_head),
            "v": (shape.n_kv_head, shape.d_head),
            "z": (shape.n_head, shape.d_head),
            "mlp_post": (1, shape.d_mlp),
            "embed": (1, shape.d_embed),
        }.get(site.kind, (1, shape.d_model))
        grain = {"channel": 1, "head": width, "site": heads * width}[unit]
        return SiteUnits(site=site, heads=heads, width=width, grain=grain)

    def space(self, kinds: Mapping[str, Unit] | Sequence[str]) -> Space:
        """The units of these kinds of sites, layer by layer; of kinds alone the channels.

        Raises CheckpointError where the model lacks one.
        """
        chosen: Mapping[str, Unit] = kinds if isinstance(kinds, Mapping) else dict.fromkeys(kinds, "channel")
        sites = [Site(layer, kind) for layer in range(self.shape.n_layer) for kind in chosen]
        for site in sites[: len(chosen)]:
            self.architecture.tap(site)
        return Space(sites=tuple(self.units(site, chosen[site.kind]) for site in sites))

    def sites(self) -> tuple[Site, ...]:
        """Every site of the model, layer by layer."""
        kinds = [kind for kind in self.architecture.sites if kind != EMBED.kind]
        embed = (EMBED,) if EMBED.kind in self.architecture.sites else ()
        return (*embed, *(Site(layer, kind) for layer in range(self.shape.n_layer) for kind in kinds))
