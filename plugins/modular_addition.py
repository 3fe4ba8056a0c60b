"""Modular addition: (a + b) mod p.

For toy models on token ids, which need no tokenizer. A prompt is ``[a, b, =]``, where the ids 0 to p - 1 are the
numbers and p is the equals sign (Nanda et al. 2023, arXiv:2301.05217). The corrupted prompt has another a, and the
distractor is its answer. No two terms, in either order, are both searched and judged on.

Distrust: a model learns from a part of all sums. Which part is not known here, so judging on sums that it was trained
on is possible and says nothing about how it generalises.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mechint import hookimpl
from mechint.errors import DataError
from mechint.spec.options import OptionsModel
from mechint.task.prompts import Draws, Prompt, draw_prompts
from mechint.task.token_ids import TokenId
from mechint.task.windows import Counts

if TYPE_CHECKING:
    from random import Random

    from mechint.subject.subject import Subject
    from mechint.task.metric import Metric
    from mechint.task.task import Task


class Options(Draws):
    """Sums of two numbers."""

    p: Annotated[int, Field(ge=3, le=1000)] = 113
    """The modulus."""
    equals: TokenId | None = None
    """Id of the token before the answer; by default p."""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Use this share of the p (p + 1) / 2 sums, each in one order and parted in the ratio of ``examples``, instead of
    those counts."""


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_task(subject: Subject, options: Options, metric: Metric) -> Task:
    from mechint.task.behaviour import prompt_task

    p, equals = options.p, options.p if options.equals is None else options.equals
    if equals < p:
        raise DataError(f"task.equals is {equals}, which stands for a number; those are 0 to {p - 1}")

    def make(terms: tuple[int, int], generator: Random) -> Prompt:
        a, b = generator.sample(terms, 2)
        other = generator.choice([number for number in range(p) if number != a])
        return Prompt(
            clean=(a, b, equals),
            corrupted=(other, b, equals),
            answers=((a + b) % p,),
            distractors=((other + b) % p,),
        )

    sums = list(combinations_with_replacement(range(p), 2))
    prompts = draw_prompts(sums, make, _counts(options, len(sums)), options.seed)
    description = f"(a + b) mod {p}, corrupted: another a"
    return prompt_task(subject, metric, options, prompts, description)


def _counts(options: Options, available: int) -> Counts:
    """How many sums: as stated, or a share of those there are."""
    if options.share is None:
        return options.examples
    train, validation = options.examples.train, options.examples.validation
    count = round(available * options.share)
    searched = round(count * train / (train + validation))
    if min(searched, count - searched) < 2:
        raise DataError(f"task.share {options.share:g} of {available} sums leaves a part of fewer than 2 of them")
    return Counts(train=searched, validation=count - searched)
