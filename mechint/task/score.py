"""Metrics of a model on examples, piece by piece, so that logits over a whole vocabulary are never held for a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from mechint.subject.readout import Readout
from mechint.task.examples import Examples
from mechint.task.metric import Metric, Reading
from mechint.task.predictions import Predictions, right_at

__all__ = ["read_loss", "read_scores", "read_values"]

MOST_LOGITS = 1 << 24
"""Numbers in the logits that are held at a time; a metric needs some copies of them."""


def read_scores(metrics: Sequence[Metric], readout: Readout, examples: Examples, full: Readout) -> Mapping[str, Tensor]:
    """Each metric's value for each example ``[b]``, by the metric's name."""
    readings = [metric.score for metric in metrics]
    values = read_values(readings, readout, examples, full)
    return {metric.name: value for metric, value in zip(metrics, values, strict=True)}


def read_loss(metric: Metric, readout: Readout, examples: Examples, full: Readout | None) -> Tensor:
    """What a search minimises for each example ``[b]``, differentiable; ``full`` for metrics that need it."""
    (loss,) = read_values([metric.loss], readout, examples, full)
    return loss


def read_values(
    readings: Sequence[Reading], readout: Readout, examples: Examples, full: Readout | None = None
) -> list[Tensor]:
    """Each reading's value for each example ``[b]``; ``full`` for readings that compare with the full model."""
    right = right_at(examples)

    def read(rows: slice) -> tuple[Tensor, ...]:
        """Each reading's values ``[n]`` at some of the scored positions."""
        predictions = Predictions(readout=readout, rows=rows, right=right.take(rows), full_readout=full)
        return tuple(reading.rows(predictions) for reading in readings)

    pieces = list(readout.pieces(MOST_LOGITS))
    if len(pieces) > 1 and torch.is_grad_enabled():
        # The backward pass makes a piece's logits again, where it would otherwise hold all pieces' at once.
        values = [checkpoint(read, rows, use_reentrant=False) for rows in pieces]
    else:
        values = [read(rows) for rows in pieces]
    together = [torch.cat(parts) for parts in zip(*values, strict=True)]
    return [reading.pool(parts, examples) for reading, parts in zip(readings, together, strict=True)]
