"""What a model predicts at some positions, beside what is right there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from mechint.subject.readout import Readout
from mechint.task.examples import NO_TOKEN, Examples

__all__ = [
    "Predictions",
    "Right",
    "all_positions",
    "over_positions",
    "right_at",
    "sum_over_positions",
    "values_at",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Right:
    """What is right at ``n`` scored positions."""

    answers: Tensor
    """Token ids ``[n a]``, any of which is right, filled up with NO_TOKEN."""
    distractors: Tensor | None = None
    """Token ids ``[n w]`` that they compete with, filled up alike; None where the task has none."""

    def take(self, rows: slice) -> Right:
        """What is right at some of the positions."""
        return Right(
            answers=self.answers[rows], distractors=None if self.distractors is None else self.distractors[rows]
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """A model's predictions at ``n`` scored positions, with what is right there and what the full model predicts."""

    readout: Readout
    rows: slice
    """The scored positions among those of the readout."""
    right: Right
    full_readout: Readout | None = None
    """The full model's; None unless the metric says that it needs ``full``."""

    @cached_property
    def logits(self) -> Tensor:
        """``[n v]``, in float32 at least."""
        return self.readout.logits(self.rows)

    def logits_of(self, ids: Tensor, *, absent: float) -> Tensor:
        """Logits ``[n a]`` of token ids ``[n a]`` alone, with ``absent`` where there is no token."""
        return self.readout.logits_of(ids.clamp(min=0), self.rows).masked_fill(ids == NO_TOKEN, absent)

    @cached_property
    def log_probs(self) -> Tensor:
        """``[n v]``."""
        return self.logits.log_softmax(-1)

    @cached_property
    def full(self) -> Tensor:
        """The full model's logits ``[n v]``."""
        assert self.full_readout is not None, "the metric does not say that it needs the full model's predictions"
        return self.full_readout.logits(self.rows)

    @cached_property
    def full_log_probs(self) -> Tensor:
        """``[n v]``."""
        return self.full.log_softmax(-1)

    @property
    def answers(self) -> Tensor:
        """Token ids ``[n a]``."""
        return self.right.answers

    @property
    def distractors(self) -> Tensor:
        """Token ids ``[n w]``."""
        assert self.right.distractors is not None, "the metric does not say that it needs distractors"
        return self.right.distractors

    def log_prob(self, ids: Tensor) -> Tensor:
        """Log of the total probability ``[n]`` of some tokens ``[n a]``."""
        return values_at(self.log_probs, ids, absent=-torch.inf).logsumexp(-1)

    def is_right(self) -> Tensor:
        """Whether the most probable token is an answer, or an answer beats every distractor where there are some.

        ``[n]``; answers that tie with a distractor have not beaten it.
        """
        if self.right.distractors is None:
            return (self.logits.argmax(-1, keepdim=True) == self.answers).any(-1)
        answer, distractor = (
            values_at(self.logits, ids, absent=-torch.inf).amax(-1) for ids in (self.answers, self.distractors)
        )
        return answer > distractor


def right_at(examples: Examples) -> Right:
    """What is right at the scored positions of examples: prompts' answers, or else the targets."""
    if examples.pairs is not None and examples.pairs.answers is not None:
        return Right(answers=examples.pairs.answers, distractors=examples.pairs.distractors)
    return Right(answers=examples.targets[examples.where].unsqueeze(1))


def values_at(values: Tensor, ids: Tensor, *, absent: float) -> Tensor:
    """Of ``[n v]`` those at token ids ``[n a]``: ``[n a]``, with ``absent`` where there is no token."""
    return values.gather(-1, ids.clamp(min=0)).masked_fill(ids == NO_TOKEN, absent)


def over_positions(values: Tensor, examples: Examples) -> Tensor:
    """Mean over each example's scored positions: ``[n]`` to ``[b]``."""
    return sum_over_positions(values, examples) / examples.where.sum(1)


def all_positions(values: Tensor, examples: Examples) -> Tensor:
    """1 where the values at all of an example's scored positions are 1, else 0: ``[n]`` to ``[b]``."""
    return (over_positions(values, examples) == 1).to(values.dtype)


def sum_over_positions(values: Tensor, examples: Examples) -> Tensor:
    """Sum over each example's scored positions: ``[n]`` to ``[b]``."""
    return values.new_zeros(examples.where.shape).masked_scatter(examples.where, values).sum(1)
