"""Telling whether a model's weights have changed, at the cost of reading them once."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["fingerprint"]

_WORD = 8


def fingerprint(model: nn.Module) -> Mapping[str, int]:
    """The bits of each weight and saved buffer, by name, summed up as integers that wrap around."""
    return {name: _sum(tensor) for name, tensor in model.state_dict().items()}


def _sum(tensor: Tensor) -> int:
    bits = tensor.reshape(-1).view(torch.uint8)
    if bits.storage_offset() % _WORD:
        bits = bits.clone()
    whole = bits.numel() // _WORD * _WORD
    return int(bits[:whole].view(torch.int64).sum()) + int(bits[whole:].sum())  # words are added up fastest
