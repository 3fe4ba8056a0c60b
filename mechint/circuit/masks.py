"""Relaxed masks: differentiable stand-ins for keeping or dropping a unit."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mechint.circuit.circuit import keep_top

__all__ = ["BETA", "GAMMA", "ZETA", "hard_concrete_open", "hard_concrete_sample", "straight_through"]

# Louizos et al. 2018 (1712.01312), section 4: the temperature and the stretch of the hard concrete distribution.
BETA, GAMMA, ZETA = 2 / 3, -0.1, 1.1


def straight_through(logits: Tensor, keep: int, temperature: float, *, hard: bool = True) -> tuple[Tensor, Tensor]:
    """Return a mask ``[n]`` that keeps the ``keep`` largest logits, and the probabilities its gradient flows through.

    The probability is ``sigmoid((logit - threshold) / temperature)`` with the threshold halfway between the last kept
    and the first dropped logit, so exactly ``keep`` of them are above one half. Forward the mask is 0 or 1; backward it
    is the probability (Bengio et al. 2013, 1308.3432). With ``hard=False`` the mask is the probability both ways.
    """
    probability = torch.sigmoid((logits - _threshold(logits.detach(), keep)) / temperature)
    if not hard:
        return probability, probability
    kept = keep_top(logits.detach(), keep).to(logits.dtype)
    return kept + probability - probability.detach(), probability


def hard_concrete_sample(log_alpha: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a mask ``[n]`` in [0, 1] whose ends have probability mass, differentiable in ``log_alpha``."""
    noise = torch.rand(log_alpha.shape, generator=generator).clamp(1e-6, 1 - 1e-6)
    s = torch.sigmoid((noise.log() - (1 - noise).log() + log_alpha) / BETA)
    return (s * (ZETA - GAMMA) + GAMMA).clamp(0, 1)


def hard_concrete_open(log_alpha: Tensor) -> Tensor:
    """Probability ``[n]`` that a hard concrete mask is above 0."""
    return torch.sigmoid(log_alpha - BETA * math.log(-GAMMA / ZETA))


def _threshold(logits: Tensor, keep: int) -> Tensor:
    """Halfway between the ``keep``-th largest logit and the next; beyond the last one when all or none are kept."""
    ordered = logits.sort(descending=True).values
    if keep == 0:
        return ordered[0] + 1
    if keep == len(ordered):
        return ordered[-1] - 1
    return (ordered[keep - 1] + ordered[keep]) / 2
