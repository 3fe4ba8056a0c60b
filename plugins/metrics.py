"""The metrics for next-token prediction: loss, perplexity, accuracy, kl_div and agreement.

Each is averaged over an example's positions, so that every example gives one number; a metric over examples is the
mean of those. Perplexity is the mean of the examples' perplexities, not the exponential of the mean loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mechint import hookimpl
from mechint.task.metric import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from mechint.task.examples import Examples


@hookimpl
def mechint_metrics() -> list[Metric]:
    return [
        Metric(
            name="loss",
            summary="Cross-entropy of the next token.",
            unit="nats/token",
            higher_is_better=False,
            score=_loss,
            loss=_loss,
            loss_name="loss",
        ),
        Metric(
            name="perplexity",
            summary="Exponential of an example's loss.",
            unit="tokens",
            higher_is_better=False,
            score=_perplexity,
            loss=_perplexity,
            loss_name="perplexity",
        ),
        Metric(
            name="accuracy",
            summary="Share of next tokens that are the most probable one; the search follows their probability.",
            unit="share of tokens",
            higher_is_better=True,
            score=_accuracy,
            loss=_missing_probability,
            loss_name="missing probability",
        ),
        Metric(
            name="kl_div",
            summary="KL(full model || circuit) of the next-token distribution, summed over the vocabulary.",
            unit="nats/token",
            higher_is_better=False,
            score=_kl_div,
            loss=_kl_div,
            loss_name="kl_div",
            needs_full_logits=True,
        ),
        Metric(
            name="agreement",
            summary="Share of positions where the most probable token is the full model's; the search follows kl_div.",
            unit="share of tokens",
            higher_is_better=True,
            score=_agreement,
            loss=_kl_div,
            loss_name="kl_div",
            needs_full_logits=True,
        ),
    ]


def _loss(logits: Tensor, examples: Examples, full: Tensor) -> Tensor:  # noqa: ARG001 - the signature of a Score
    from torch.nn.functional import cross_entropy

    per_token = cross_entropy(logits.flatten(0, 1), examples.targets.flatten(), reduction="none")  # [b*p]
    return examples.over_positions(per_token.view(examples.targets.shape))


def _perplexity(logits: Tensor, examples: Examples, full: Tensor) -> Tensor:
    return _loss(logits, examples, full).exp()


def _accuracy(logits: Tensor, examples: Examples, full: Tensor) -> Tensor:  # noqa: ARG001
    return examples.over_positions((logits.argmax(-1) == examples.targets).float())


def _missing_probability(logits: Tensor, examples: Examples, full: Tensor) -> Tensor:  # noqa: ARG001
    right = logits.softmax(-1).gather(-1, examples.targets.unsqueeze(-1)).squeeze(-1)  # [b p]
    return 1 - examples.over_positions(right)


def _kl_div(logits: Tensor, examples: Examples, full: Tensor) -> Tensor:
    from torch.nn.functional import kl_div

    per_token = kl_div(logits.log_softmax(-1), full.log_softmax(-1), reduction="none", log_target=True).sum(-1)  # [b p]
    return examples.over_positions(per_token)


def _agreement(logits: Tensor, examples: Examples, full: Tensor) -> Tensor:
    return examples.over_positions((logits.argmax(-1) == full.argmax(-1)).float())
