"""Telling whether a model's weights have changed, at the cost of reading them once."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["fingerprint"]


def fingerprint(model: nn.Module) -> Mapping[str, int]:
    """The CRC-32 of each weight and saved buffer, by name; buffers that are not saved are not looked at."""
    return {name: _checksum(tensor) for name, tensor in model.state_dict().items()}


def _checksum(tensor: Tensor) -> int:
    return zlib.crc32(tensor.cpu().reshape(-1).view(torch.uint8).numpy().data)  # several times as fast as a hash
