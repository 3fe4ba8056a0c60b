"""One layer of a cache of transformers that lends what it holds to every pass and takes nothing in."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicLayer

__all__ = ["PrefixLayer"]


class PrefixLayer(DynamicLayer):
    """The keys and values ``[b g p k]`` of a prefix, for passes on copies of its examples one after another."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.keys, self.values = keys, values  # from which the length of the prefix is read
        self._keys, self._values = keys, values
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any) -> tuple[Tensor, Tensor]:
        """What the passes attend to: the prefix, and their own keys and values ``[c*b g p k]`` after it."""
        return self._after(self._keys, key_states), self._after(self._values, value_states)

    def _after(self, prefix: Tensor, own: Tensor) -> Tensor:
        by_copy = own.unflatten(0, (-1, len(prefix)))  # [c b g p k]
        again = prefix.unsqueeze(0).expand(len(by_copy), *prefix.shape)
        return torch.cat([again, by_copy], dim=-2).flatten(0, 1)
