"""What a model is trained on and measured on, whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["NOT_SCORED", "Batch", "TrainingData"]

NOT_SCORED = -100
"""In place of a target that cannot be known; cross entropy leaves it out."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Token ids and what should follow at each position, ``[b p]`` each."""

    tokens: Tensor
    targets: Tensor

    @property
    def scored(self) -> Tensor:
        """``[b p]``, true where something is to be predicted."""
        return self.targets != NOT_SCORED


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingData:
    """Where batches come from."""

    draw: Callable[[int, torch.Generator], Batch]
    """Gives so many examples to train on."""
    held_out: Batch
    """The same for every step and every seed of the training."""
    facts: Mapping[str, str | int | float]
    """What a checkpoint says of its data."""
    measured: Mapping[str, float]
    """What is known of the data and stands beside the losses."""
