"""What a model predicts at chosen positions, with logits made only when they are looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Picked", "Readout", "Unembedding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unembedding:
    """Where a model turns what its last layer leaves into logits."""

    path: str
    """Of the module."""
    last: bool
    """Whether the logits are what the module returns, or the model does more to them, such as a soft cap."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readout:
    """A model's predictions at ``n`` positions of a batch, in the order of rows and then of positions."""

    last: Tensor
    """What the unembedding reads, ``[n d]``; the logits themselves, ``[n v]``, where there is none to read it."""
    unembed: nn.Module | None
    """From ``[n d]`` to logits ``[n v]``; None where ``last`` are the logits."""
    n_vocab: int

    def logits(self, rows: slice = slice(None)) -> Tensor:
        """Logits ``[n v]`` of some of the positions, in float32 at least."""
        logits: Tensor = self.last[rows] if self.unembed is None else self.unembed(self.last[rows])
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def logits_of(self, ids: Tensor, rows: slice = slice(None)) -> Tensor:
        """Logits ``[n a]`` of token ids ``[n a]``, made alone where the unembedding allows it."""
        if type(self.unembed) is not nn.Linear:
            return self.logits(rows).gather(-1, ids)
        logits = torch.einsum("nd,nad->na", self.last[rows], self.unembed.weight[ids])
        if self.unembed.bias is not None:
            logits = logits + self.unembed.bias[ids]
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def pieces(self, most: int) -> Iterator[slice]:
        """Cut the positions so that a piece's logits are at most ``most`` numbers, or those of one position."""
        size = max(1, most // self.n_vocab)
        for start in range(0, len(self.last), size):
            yield slice(start, start + size)


class Picked:
    """A hook before the unembedding that passes on only the positions where ``where`` ``[b p]`` is true.

    Nothing at all is passed on, and the positions kept in ``last``, where the unembedding is the model's last step.
    """

    def __init__(self, where: Tensor, unembedding: Unembedding) -> None:
        self.where = where
        self.unembedding = unembedding
        self.last: Tensor | None = None

    def __call__(self, module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:  # noqa: ARG002 - a hook
        stream, *others = arguments  # [b p d]
        picked = stream[self.where.to(stream.device)]  # [n d]
        if not self.unembedding.last:
            return (picked.unsqueeze(0), *others)
        self.last = picked
        return (stream[:, :0], *others)
