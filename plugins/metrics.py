"""The metrics: how well a model predicts, how like the full model it is, and how it tells answers from distractors.

A metric gives one number per example, and a metric over examples is the mean of those. In running text every position
is scored and an example's number is the mean over them; so perplexity is the mean of the examples' perplexities, not
the exponential of the mean loss. A prompt is scored at its end alone. Where any of several answers is right their
probabilities add up; an answer of several tokens is as probable as its tokens together.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mechint import hookimpl
from mechint.task.metric import Metric, Reading

if TYPE_CHECKING:
    from torch import Tensor

    from mechint.task.examples import Examples
    from mechint.task.predictions import Predictions


@hookimpl
def mechint_metrics() -> list[Metric]:
    return [*_prediction(), *_likeness(), *_choice()]


def _prediction() -> list[Metric]:
    """How well the right tokens are predicted."""
    loss = Reading(rows=_loss, pool=_mean)
    return [
        Metric(
            name="loss",
            summary="Cross-entropy of the right token: minus the log of its probability.",
            unit="nats/token",
            higher_is_better=False,
            score=loss,
            loss=loss,
            loss_name="loss",
        ),
        Metric(
            name="perplexity",
            summary="Exponential of an example's loss.",
            unit="tokens",
            higher_is_better=False,
            score=Reading(rows=_loss, pool=_exp_of_mean),
            loss=Reading(rows=_loss, pool=_exp_of_mean),
            loss_name="perplexity",
        ),
        Metric(
            name="bits_per_byte",
            summary="Loss in bits over the bytes of the text that is predicted.",
            unit="bits/byte",
            higher_is_better=False,
            score=Reading(rows=_loss, pool=_bits_over_bytes),
            loss=Reading(rows=_loss, pool=_bits_over_bytes),
            loss_name="bits_per_byte",
            needs=frozenset({"bytes"}),
        ),
        Metric(
            name="accuracy",
            summary="Share of right predictions: the right token is the most probable one, or, in prompts with "
            "distractors, an answer is more probable than every distractor. The search follows the probability.",
            unit="share",
            higher_is_better=True,
            score=Reading(rows=_is_right, pool=_mean_or_all),
            loss=Reading(rows=_missing_probability, pool=_mean),
            loss_name="missing probability",
        ),
    ]


def _likeness() -> list[Metric]:
    """How like the full model it is."""
    kl_div = Reading(rows=_kl_div, pool=_mean)
    return [
        Metric(
            name="kl_div",
            summary="KL(full model || circuit) of the next-token distribution, summed over the vocabulary.",
            unit="nats/token",
            higher_is_better=False,
            score=kl_div,
            loss=kl_div,
            loss_name="kl_div",
            needs=frozenset({"full"}),
        ),
        Metric(
            name="agreement",
            summary="Share of positions where the most probable token is the full model's; the search follows kl_div.",
            unit="share",
            higher_is_better=True,
            score=Reading(rows=_agrees, pool=_mean),
            loss=kl_div,
            loss_name="kl_div",
            needs=frozenset({"full"}),
        ),
    ]


def _choice() -> list[Metric]:
    """How prompts' answers stand against their distractors."""
    return [
        Metric(
            name="logit_diff",
            summary="Mean logit of the answers minus mean logit of the distractors.",
            unit="logits",
            higher_is_better=True,
            score=Reading(rows=_logit_diff, pool=_mean),
            loss=Reading(rows=_minus_logit_diff, pool=_mean),
            loss_name="-logit_diff",
            needs=frozenset({"answers", "distractors"}),
        ),
        Metric(
            name="log_odds",
            summary="Log of the answers' total probability over the distractors'; for one of each the logit_diff.",
            unit="nats",
            higher_is_better=True,
            score=Reading(rows=_log_odds, pool=_mean),
            loss=Reading(rows=_minus_log_odds, pool=_mean),
            loss_name="-log_odds",
            needs=frozenset({"answers", "distractors"}),
        ),
        Metric(
            name="prob_diff",
            summary="Total probability of the answers minus that of the distractors.",
            unit="probability",
            higher_is_better=True,
            score=Reading(rows=_prob_diff, pool=_mean),
            loss=Reading(rows=_minus_prob_diff, pool=_mean),
            loss_name="-prob_diff",
            needs=frozenset({"answers", "distractors"}),
        ),
        Metric(
            name="answer_prob",
            summary="Total probability of the answers. The search follows the loss.",
            unit="probability",
            higher_is_better=True,
            score=Reading(rows=_log_prob, pool=_exp_of_sum),
            loss=Reading(rows=_loss, pool=_mean),
            loss_name="loss",
            needs=frozenset({"answers"}),
        ),
    ]


def _log_prob(seen: Predictions) -> Tensor:
    return seen.log_prob(seen.answers)


def _loss(seen: Predictions) -> Tensor:
    return -_log_prob(seen)


def _is_right(seen: Predictions) -> Tensor:
    return seen.is_right().float()


def _missing_probability(seen: Predictions) -> Tensor:
    return 1 - _log_prob(seen).exp()


def _kl_div(seen: Predictions) -> Tensor:
    from torch.nn.functional import kl_div

    return kl_div(seen.log_probs, seen.full_log_probs, reduction="none", log_target=True).sum(-1)


def _agrees(seen: Predictions) -> Tensor:
    return (seen.logits.argmax(-1) == seen.full.argmax(-1)).float()


def _logit_diff(seen: Predictions) -> Tensor:
    return _mean_logit(seen, seen.answers) - _mean_logit(seen, seen.distractors)


def _minus_logit_diff(seen: Predictions) -> Tensor:
    return -_logit_diff(seen)


def _mean_logit(seen: Predictions, ids: Tensor) -> Tensor:
    from mechint.task.examples import NO_TOKEN

    return seen.logits_of(ids, absent=0.0).sum(-1) / (ids != NO_TOKEN).sum(-1)


def _log_odds(seen: Predictions) -> Tensor:
    return seen.log_prob(seen.answers) - seen.log_prob(seen.distractors)


def _minus_log_odds(seen: Predictions) -> Tensor:
    return -_log_odds(seen)


def _prob_diff(seen: Predictions) -> Tensor:
    return seen.log_prob(seen.answers).exp() - seen.log_prob(seen.distractors).exp()


def _minus_prob_diff(seen: Predictions) -> Tensor:
    return -_prob_diff(seen)


def _mean(values: Tensor, examples: Examples) -> Tensor:
    from mechint.task.predictions import over_positions

    return over_positions(values, examples)


def _exp_of_mean(values: Tensor, examples: Examples) -> Tensor:
    return _mean(values, examples).exp()


def _exp_of_sum(values: Tensor, examples: Examples) -> Tensor:
    from mechint.task.predictions import sum_over_positions

    return sum_over_positions(values, examples).exp()


def _mean_or_all(values: Tensor, examples: Examples) -> Tensor:
    """The mean over a text's positions; for an answer of several tokens whether all of them are right."""
    from mechint.task.predictions import all_positions

    return _mean(values, examples) if examples.pairs is None else all_positions(values, examples)


def _bits_over_bytes(values: Tensor, examples: Examples) -> Tensor:
    from mechint.task.predictions import sum_over_positions

    assert examples.n_bytes is not None, "the metric is for examples whose bytes are known"
    counted = (examples.n_bytes * examples.where).sum(1)
    return sum_over_positions(values, examples) / math.log(2) / counted
