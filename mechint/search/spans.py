"""Positions as the columns of a map: each token's own, or several together where examples are long."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mechint.search.patch_grid import label_position
from mechint.subject.subject import Subject
from mechint.task.examples import Examples

__all__ = ["Spans", "spans_of"]

MOST = 64
"""Columns of a map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """Spans of as many positions, counted from each example's first token."""

    step: int
    labels: tuple[str, ...]

    def sum(self, values: Tensor, examples: Examples) -> Tensor:
        """Values ``[b p]`` added up in each span ``[b c]``; nan where an example has none of its positions."""
        real = examples.real.to(values.device)
        place = (examples.nth // self.step).to(values.device)  # [b p]
        sums, counts = (
            values.new_zeros(len(values), len(self.labels)).scatter_add(1, place, each)
            for each in (values.masked_fill(~real, 0), real.to(values.dtype))
        )
        return sums.masked_fill(counts == 0, torch.nan)


def spans_of(subject: Subject, examples: Examples) -> Spans:
    """A column for each position, by its token where all examples have the same one there; fewer for long examples."""
    longest = int(examples.real.sum(1).max())
    step = -(-longest // MOST)
    if step == 1:
        return Spans(step=1, labels=tuple(label_position(subject, examples, nth) for nth in range(longest)))
    starts = range(0, longest, step)
    return Spans(step=step, labels=tuple(f"{start}-{min(start + step, longest) - 1}" for start in starts))
