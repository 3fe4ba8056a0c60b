"""Inputs with what should follow them: the data of a task, and the batches it is cut into."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Examples"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """Inputs and what should follow at each position: two integer tensors ``[b p]``.

    Also the batches that examples are cut into: a batch is examples.
    """

    tokens: Tensor
    targets: Tensor
    mask: Tensor | None = None
    """``[b p]``, true at tokens and false at padding, on either side; None where nothing is padded."""

    def __len__(self) -> int:
        return len(self.tokens)

    def take(self, rows: Tensor | slice) -> Examples:
        """The examples at these rows, in that order."""
        mask = None if self.mask is None else self.mask[rows]
        return Examples(tokens=self.tokens[rows], targets=self.targets[rows], mask=mask)

    def to(self, device: torch.device) -> Examples:
        """The same examples on a device."""
        mask = None if self.mask is None else self.mask.to(device)
        return Examples(tokens=self.tokens.to(device), targets=self.targets.to(device), mask=mask)

    @property
    def real(self) -> Tensor:
        """``[b p]``, true at what is no padding."""
        return torch.ones_like(self.tokens, dtype=torch.bool) if self.mask is None else self.mask

    def over_positions(self, values: Tensor) -> Tensor:
        """Mean of ``[b p]`` over each example's tokens: ``[b]``; padding does not count."""
        if self.mask is None:
            return values.mean(1)
        return torch.where(self.mask, values, 0).sum(1) / self.mask.sum(1)

    def batches(self, size: int) -> Iterator[Examples]:
        """Cut into batches of at most ``size``, in order; the last may be smaller."""
        for start in range(0, len(self), size):
            yield self.take(slice(start, start + size))

    @property
    def sha256(self) -> str:
        """Hash of the content, so that two runs can be known to have used the same examples."""
        digest = hashlib.sha256()
        for tensor in (self.tokens, self.targets, *(() if self.mask is None else (self.mask,))):
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()
