"""A metric: one number per example, and a loss for the search to follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from mechint.task.examples import Examples

__all__ = ["Metric", "Score"]

Score = Callable[["Tensor", "Examples", "Tensor"], "Tensor"]
"""From logits ``[b p v]``, the examples and the full model's logits ``[b p v]`` to one value per example ``[b]``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One value per example, with its direction, its unit and a differentiable stand-in."""

    name: str
    summary: str
    """One line that says what it measures."""
    unit: str
    higher_is_better: bool
    score: Score
    loss: Score
    """What a search minimises, per example; differentiable, and lower means better whatever the direction."""
    loss_name: str
    """Of that stand-in, for tables and figures; the metric's own name where it is its own loss."""
    needs_full_logits: bool = False
    """Whether the loss reads the full model's logits; a search computes them only then."""
