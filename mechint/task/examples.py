"""Inputs with what should follow them: the data of a task, and the batches it is cut into."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Examples"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """Inputs and what should follow at each position: two integer tensors ``[b p]``.

    Also the batches that examples are cut into: a batch is examples.
    """

    tokens: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    def take(self, rows: Tensor | slice) -> Examples:
        """The examples at these rows, in that order."""
        return Examples(tokens=self.tokens[rows], targets=self.targets[rows])

    def batches(self, size: int) -> Iterator[Examples]:
        """Cut into batches of at most ``size``, in order; the last may be smaller."""
        for start in range(0, len(self), size):
            yield self.take(slice(start, start + size))

    @property
    def sha256(self) -> str:
        """Hash of the content, so that two runs can be known to have used the same examples."""
        digest = hashlib.sha256()
        for tensor in (self.tokens, self.targets):
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()
