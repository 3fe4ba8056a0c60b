"""A metric: one number per example, and a loss for the search to follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

    from mechint.task.examples import Examples
    from mechint.task.predictions import Predictions

__all__ = ["Metric", "Need", "Pool", "Reading", "Rows"]

Need = Literal["answers", "distractors", "bytes", "full"]
"""What a metric reads beside the model's logits: answers of prompts, their distractors, the number of bytes that a
target stands for, or the full model's predictions."""

Rows = Callable[["Predictions"], "Tensor"]
"""From the predictions at ``n`` scored positions to one value for each: ``[n]``."""

Pool = Callable[["Tensor", "Examples"], "Tensor"]
"""From the values ``[n]`` at the scored positions of some examples, in their order, to one per example ``[b]``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How one number per example comes of a model's predictions: position by position, then together."""

    rows: Rows
    pool: Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One value per example, with its direction, its unit and a differentiable stand-in."""

    name: str
    summary: str
    """One line that says what it measures."""
    unit: str
    higher_is_better: bool
    score: Reading
    loss: Reading
    """What a search minimises, per example; differentiable, and lower means better whatever the direction."""
    loss_name: str
    """Of that stand-in, for tables and figures; the metric's own name where it is its own loss."""
    needs: frozenset[Need] = frozenset()
    """What examples must have for it, and ``full`` where it compares with the full model."""
