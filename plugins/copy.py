"""Copying: a sequence of tokens, a separator, and the sequence once more.

For toy models on token ids, which need no tokenizer. After "a b c d SEP a b" comes "c". The templates are how many
tokens are copied already. The corrupted prompt has the token to be copied and a later one exchanged, so that this
later one is right; it is the distractor. No sequence is both searched and judged on.

Distrust: the last token of a sequence is never asked for, since none is later; and a model that copies by position and
one that looks for what followed the last token are both right.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mechint import hookimpl
from mechint.codes import Code
from mechint.errors import DataError
from mechint.spec.options import OptionsModel
from mechint.task.prompts import Draws, Prompt, draw_prompts
from mechint.task.templates import in_turn
from mechint.task.token_ids import IdRange, TokenId, ids_between

if TYPE_CHECKING:
    from mechint.subject.subject import Subject
    from mechint.task.metric import Metric
    from mechint.task.task import Task


class Options(Draws):
    """Sequences that are being copied."""

    length: Annotated[int, Field(ge=2)] = 4
    """Tokens in a sequence, no two alike."""
    separator: TokenId | None = None
    """Id of the token before the copy; by default the model's last."""
    begin: TokenId | None = None
    """Id of a token before everything; by default there is none."""
    ids: IdRange | None = None
    """First and last of the ids that sequences are made of; by default all of the model's. The separator and the token
    before everything are left out."""


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_task(subject: Subject, options: Options, metric: Metric) -> Task:
    from mechint.task.behaviour import prompt_task

    n_vocab = subject.shape.n_vocab
    separator = n_vocab - 1 if options.separator is None else options.separator
    begin = () if options.begin is None else (options.begin,)
    ids = [one for one in ids_between(options.ids or (0, n_vocab - 1), n_vocab) if one not in (separator, *begin)]
    if len(ids) < options.length:
        raise DataError(
            f"sequences of {options.length} different tokens cannot be made of {len(ids)}", code=Code.TOO_FEW
        )

    places = in_turn(range(options.length - 1), options.seed)

    def make(sequence: tuple[int, ...], generator: Random) -> Prompt:
        done = next(places)
        later = generator.randrange(done + 1, options.length)
        return Prompt(
            clean=(*begin, *sequence, separator, *sequence[:done]),
            corrupted=(*begin, *_exchange(sequence, done, later), separator, *sequence[:done]),
            answers=(sequence[done],),
            distractors=(sequence[later],),
            template=f"after-{done}",
        )

    sequences = _draw_sequences(ids, options)
    prompts = draw_prompts(sequences, make, options.examples, options.seed)
    description = (
        f"copying sequences of {options.length} tokens of {len(ids)}, corrupted: the next token and a later one are "
        "exchanged"
    )
    return prompt_task(subject, metric, options, prompts, description)


def _draw_sequences(ids: list[int], options: Options) -> list[tuple[int, ...]]:
    """As many sequences as prompts, or as many different ones as come up."""
    generator = Random(options.seed)
    count = options.examples.train + options.examples.validation
    return list(dict.fromkeys(tuple(generator.sample(ids, options.length)) for _ in range(count)))


def _exchange(sequence: tuple[int, ...], one: int, other: int) -> tuple[int, ...]:
    exchanged = list(sequence)
    exchanged[one], exchanged[other] = sequence[other], sequence[one]
    return tuple(exchanged)
