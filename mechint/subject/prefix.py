"""Forward passes that compute only the positions from one on, with the keys and values of the earlier ones known.

Nothing that changes at a position reaches an earlier one in a causal model, so those need not be computed again. Models
of transformers take such keys and values as a cache; whether a family's numbers stay the same is for the caller to try.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeGuard

import torch
from torch import Tensor, nn

from mechint.subject.subject import Subject
from mechint.subject.transformers_model import run_transformers

if TYPE_CHECKING:
    from transformers import DynamicCache

__all__ = ["Cached", "Caching", "following", "why_no_prefix"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cached:
    """The keys and values ``[b g p k]`` of every layer in one forward pass."""

    keys: Sequence[Tensor]
    values: Sequence[Tensor]


def why_no_prefix(subject: Subject) -> str | None:
    """Why a model cannot be given keys and values, as a clause; None where it may."""
    if subject.forward is not run_transformers:
        return f"{subject.architecture.name} takes no keys and values of earlier positions"
    if subject.architecture.bidirectional:
        return f"in {subject.architecture.name} positions see later ones"
    return None


class Caching:
    """A subject whose next forward pass leaves its keys and values; ask for them when that is over."""

    def __init__(self, subject: Subject) -> None:
        from transformers import DynamicCache

        # Without a config every layer keeps all positions, those outside a sliding window too.
        cache = self._cache = DynamicCache()

        def forward(model: nn.Module, tokens: Tensor, mask: Tensor | None) -> Tensor:
            return _run(model, tokens, _given(cache, mask, tokens.shape, start=0))

        self._n_layer = subject.shape.n_layer
        self.subject = replace(subject, forward=forward)

    def cached(self, positions: int) -> Cached | None:
        """Of a pass over so many positions; None where a layer left something else."""
        layers = self._cache.layers
        keys = [part for layer in layers if _covers(part := getattr(layer, "keys", None), positions)]
        values = [part for layer in layers if _covers(part := getattr(layer, "values", None), positions)]
        return Cached(keys=keys, values=values) if len(keys) == len(values) == self._n_layer else None


def following(subject: Subject, cached: Cached, start: int, copies: int, mask: Tensor | None) -> Subject:
    """A subject that is run on the tokens from position ``start`` on, of ``copies`` of the cached examples.

    ``mask`` ``[b p]`` is that of all positions of the cached examples, or None; the passes are given none.
    """
    from transformers import DynamicCache

    from mechint.subject.prefix_layer import PrefixLayer

    whole = None if mask is None else mask.to(subject.device).repeat(copies, 1)

    def forward(model: nn.Module, tokens: Tensor, _mask: Tensor | None) -> Tensor:
        cache = DynamicCache()
        cache.layers = [
            PrefixLayer(keys[:, :, :start], values[:, :, :start])
            for keys, values in zip(cached.keys, cached.values, strict=True)
        ]
        shape = torch.Size((tokens.shape[0], start + tokens.shape[1]))
        return _run(model, tokens, _given(cache, whole, shape, start))

    return replace(subject, forward=forward)


def _covers(part: object, positions: int) -> TypeGuard[Tensor]:
    return isinstance(part, Tensor) and part.dim() == 4 and part.shape[2] == positions


def _given(cache: DynamicCache, mask: Tensor | None, shape: torch.Size, start: int) -> dict[str, Any]:
    """What a pass over the positions from ``start`` on is given beside the tokens."""
    if mask is None:
        return {"past_key_values": cache, "position_ids": torch.arange(start, shape[1]).expand(shape[0], -1)}
    positions = (mask.long().cumsum(1) - 1).clamp(min=0)[:, start:]
    return {"past_key_values": cache, "attention_mask": mask.long(), "position_ids": positions}


def _run(model: nn.Module, tokens: Tensor, given: dict[str, Any]) -> Tensor:
    positions = given["position_ids"].to(tokens.device)
    logits: Tensor = model(input_ids=tokens, use_cache=True, **{**given, "position_ids": positions}).logits
    return logits
