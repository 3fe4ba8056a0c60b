"""Inputs with what should follow them: the data of a task, and the batches it is cut into."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

__all__ = ["NO_TOKEN", "Examples", "Pairs"]

NO_TOKEN = -1
"""Fills a row of answers that has fewer than another."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """What makes examples prompts: their answers, and the corrupted prompts beside them. One row an example."""

    answers: Tensor | None = None
    """Token ids ``[b a]``, any of which is right after the prompt, filled up with NO_TOKEN; None where an answer is a
    sequence of tokens, which the targets then hold."""
    distractors: Tensor | None = None
    """Token ids ``[b w]`` that the answers compete with, filled up with NO_TOKEN; None where the task has none."""
    corrupted: Tensor | None = None
    """Token ids ``[b p]`` of the corrupted prompts, padded as the clean ones are; None where the task has none."""
    corrupted_mask: Tensor | None = None
    """``[b p]``, true at the corrupted prompts' tokens; None where nothing is padded."""
    template: Tensor
    """``[b]``, the number of the template an example was made from: examples that share one are not independent."""
    aligned: bool
    """Whether all examples of a template have as many tokens, so that a position means the same in each of them."""
    subject: Tensor | None = None
    """``[b 2]``: the position of the first token that names what the prompt is about, and that past the last one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """Inputs and what should follow at each position: two integer tensors ``[b p]``.

    Also the batches that examples are cut into: a batch is examples.
    """

    tokens: Tensor
    targets: Tensor
    mask: Tensor | None = None
    """``[b p]``, true at tokens and false at padding, on either side; None where nothing is padded."""
    scored: Tensor | None = None
    """``[b p]``, true where a metric looks; None for every token."""
    n_bytes: Tensor | None = None
    """``[b p]``, bytes of text that each target stands for; None where that is not known."""
    weight: Tensor | None = None
    """``[b]``, what each example counts in a mean; None where all count alike."""
    pairs: Pairs | None = None
    """None where examples are running text."""

    def __len__(self) -> int:
        return len(self.tokens)

    def take(self, rows: Tensor | slice) -> Examples:
        """The examples at these rows, in that order."""
        return self._each(lambda tensor: tensor[rows])

    def to(self, device: torch.device) -> Examples:
        """The same examples on a device."""
        return self._each(lambda tensor: tensor.to(device))

    @property
    def real(self) -> Tensor:
        """``[b p]``, true at what is no padding."""
        return torch.ones_like(self.tokens, dtype=torch.bool) if self.mask is None else self.mask

    @property
    def nth(self) -> Tensor:
        """``[b p]``, how many tokens of its example stand before each position."""
        return (self.real.long().cumsum(1) - 1).clamp(min=0)

    @property
    def aligned(self) -> bool:
        """Whether a position means the same in all examples of a template; never in running text."""
        return self.pairs is not None and self.pairs.aligned

    @property
    def gives(self) -> frozenset[str]:
        """What a metric can read of them beside the targets: see ``metric.Need``."""
        pairs = self.pairs
        given = {
            "answers": pairs is not None,
            "distractors": pairs is not None and pairs.distractors is not None,
            "bytes": self.n_bytes is not None,
            "full": True,
        }
        return frozenset(need for need, there in given.items() if there)

    @property
    def where(self) -> Tensor:
        """``[b p]``, true where a metric looks."""
        return self.real if self.scored is None else self.scored

    def batches(self, size: int) -> Iterator[Examples]:
        """Cut into batches of at most ``size``, in order; the last may be smaller."""
        for start in range(0, len(self), size):
            yield self.take(slice(start, start + size))

    @property
    def corrupted(self) -> Examples | None:
        """The corrupted prompts with the clean ones' answers, scored at as many tokens; None where there are none."""
        if self.pairs is None or self.pairs.corrupted is None:
            return None
        moved = replace(self, tokens=self.pairs.corrupted, mask=self.pairs.corrupted_mask, scored=None)
        unscored = moved.real.sum(1, keepdim=True) - self.where.sum(1, keepdim=True)
        return replace(moved, scored=moved.real & (moved.nth >= unscored))

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the examples, by their weights, of ``[… b]``: ``[…]``."""
        if self.weight is None:
            return values.mean(-1)
        weight = self.weight.to(values)
        return (values * weight).sum(-1) / weight.sum()

    @property
    def sha256(self) -> str:
        """Hash of the content, so that two runs can be known to have used the same examples."""
        digest = hashlib.sha256()
        for name, tensor in self._tensors().items():
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def _tensors(self) -> Mapping[str, Tensor]:
        """Every tensor of the examples, by its field's name."""
        pairs = {} if self.pairs is None else _tensors_of(self.pairs, "pairs.")
        return _tensors_of(self, "") | pairs

    def _each(self, change: Callable[[Tensor], Tensor]) -> Examples:
        """The examples with every tensor changed."""
        changed: dict[str, Any] = {name: change(tensor) for name, tensor in _tensors_of(self, "").items()}
        if self.pairs is not None:
            of_pairs: dict[str, Any] = {name: change(tensor) for name, tensor in _tensors_of(self.pairs, "").items()}
            changed["pairs"] = replace(self.pairs, **of_pairs)
        return replace(self, **changed)


def _tensors_of(value: Examples | Pairs, prefix: str) -> dict[str, Tensor]:
    held = {f"{prefix}{field.name}": getattr(value, field.name) for field in fields(value)}
    return {name: tensor for name, tensor in held.items() if isinstance(tensor, Tensor)}
