"""Induction: what followed a token before follows it again.

After "A B … A" comes "B" (Elhage et al. 2021; Olsson et al. 2022, arXiv:2209.11895). Two kinds of prompts show it.

``random``: a sequence of random tokens without repetition, a gap of other tokens, and the first half of the sequence
once more; the answer is its next token, the distractor another token of its second half. The templates are lengths of
the gap, so that no fixed distance gives the answer away. In the corrupted prompt the first copy is replaced by other
tokens, so that there is nothing to repeat. The sequences are drawn anew for every prompt. Tokens are words, as the
tokenizer writes them within a text, of a sample of the vocabulary.

``text``: two people are named with their family names, and later one by the first name alone; the answer is the family
name, the distractor that of the other person. In the corrupted prompt that person is first named otherwise. No full
name is both searched and judged on.

Distrust: in ``text`` the first name may also be continued without the family name, which the accuracy does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from random import Random
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mechint import hookimpl
from mechint.codes import Code
from mechint.errors import CheckpointError, DataError
from mechint.spec.options import OptionsModel
from mechint.task.prompts import Draws, Prompt, draw_prompts
from mechint.task.templates import in_turn, single_tokens
from mechint.task.token_ids import IdRange, ids_between
from mechint.task.words.people import FAMILY_NAMES, MEN, WOMEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mechint.subject.subject import Subject
    from mechint.subject.tokenizer import Tokenizer
    from mechint.task.metric import Metric
    from mechint.task.task import Task

Prompts = tuple[list[Prompt], list[Prompt]]

GAPS = (0, 2, 4, 6)
"""Tokens between the two copies of a random sequence."""
DEFAULT_LENGTH = 16
SAMPLED = 4096
"""Token ids that are looked at for words."""
TEMPLATES = {
    "prize": "The winners were {one} and {other}. The first prize went to {name}",
    "letter": "A letter from {one} came today, and {other} read it aloud. It was signed by {name}",
    "train": "When {other} and {one} got off the train, nobody was there. We had expected to see {name}",
    "office": "The office of {one} is on the left, that of {other} on the right. The door on the left says {name}",
    "book": "The book was written by {other} and translated by {one}. We would like to thank {name}",
    "vote": "People could vote for {one} or for {other}. Most of them voted for {name}",
}


class Options(Draws):
    """Prompts with something in them that has begun to repeat."""

    kind: Literal["random", "text"] = "random"
    """What repeats: a sequence of random tokens, or a name in an English text."""
    length: Annotated[int, Field(ge=4)] | None = None
    """Tokens in a random sequence; by default 16."""
    ids: IdRange | None = None
    """The first and the last of the token ids that random sequences are drawn from; by default those that are words. A
    checkpoint without a tokenizer needs it."""


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_task(subject: Subject, options: Options, metric: Metric) -> Task:
    from mechint.task.behaviour import prompt_task

    make = _repeat_names if options.kind == "text" else _repeat_tokens
    prompts, description = make(subject, options)
    return prompt_task(subject, metric, options, prompts, description)


def _repeat_tokens(subject: Subject, options: Options) -> tuple[Prompts, str]:
    length, n_vocab = options.length or DEFAULT_LENGTH, subject.shape.n_vocab
    tokens = _find_words(subject, options.seed) if options.ids is None else ids_between(options.ids, n_vocab)
    least = 2 * length + max(GAPS)
    if len(tokens) < least:
        raise DataError(
            f"random sequences of {length} tokens are drawn from {least} tokens at least, and there are {len(tokens)}\n"
            "  hint: task.ids: [first, last] states which token ids to use, task.length a shorter sequence",
            code=Code.TOO_FEW,
        )

    gaps = in_turn(GAPS, options.seed)

    def make(_number: int, generator: Random) -> Prompt:
        gap = next(gaps)
        drawn = generator.sample(tokens, 2 * length + gap)
        sequence, others, between = drawn[:length], drawn[length : 2 * length], drawn[2 * length :]
        begun = sequence[: length // 2]
        answer, *later = sequence[length // 2 :]
        return Prompt(
            clean=(*sequence, *between, *begun),
            corrupted=(*others, *between, *begun),
            answers=(answer,),
            distractors=(generator.choice(later),),
            template=f"gap-{gap}",
        )

    numbers = range(options.examples.train + options.examples.validation)
    description = (
        f"induction: sequences of {length} random tokens of {len(tokens)}, {len(GAPS)} gaps before they repeat, "
        "corrupted: the first copy is of other tokens"
    )
    return draw_prompts(numbers, make, options.examples, options.seed), description


def _find_words(subject: Subject, seed: int) -> list[int]:
    """Token ids that stand for whole words after another word, of a sample of the vocabulary."""
    try:
        tokenizer = subject.tokenizer()
    except CheckpointError as error:
        raise DataError(f"{error}\n  hint: or state token ids: task.ids: [first, last]") from None
    n_vocab = subject.shape.n_vocab
    sample = Random(seed).sample(range(n_vocab), min(n_vocab, SAMPLED))
    return [token for token in sorted(sample) if _is_word(token, tokenizer)]


def _is_word(token: int, tokenizer: Tokenizer) -> bool:
    text = tokenizer.decode([token]).strip()
    return text.isascii() and text.isalpha() and tokenizer.encode(f"a {text}") == [*tokenizer.encode("a"), token]


def _repeat_names(subject: Subject, options: Options) -> tuple[Prompts, str]:
    if options.length is not None or options.ids is not None:
        raise DataError("task.length and task.ids are about random sequences, and task.kind is text")
    tokenizer = subject.tokenizer()
    maker = _NameMaker(
        templates=in_turn(list(TEMPLATES.items()), options.seed),
        names=single_tokens([*WOMEN, *MEN], tokenizer, what="names", least=4),
        family_names=single_tokens(FAMILY_NAMES, tokenizer, what="family names", least=4),
    )
    people = list(product(maker.names, maker.family_names))
    description = (
        f"induction: {len(TEMPLATES)} templates, {len(people):,} full names of which one repeats, corrupted: it is "
        "first mentioned otherwise"
    )
    return draw_prompts(people, maker.make, options.examples, options.seed), description


@dataclass(frozen=True, slots=True, kw_only=True)
class _NameMaker:
    templates: Iterator[tuple[str, str]]
    names: Sequence[str]
    family_names: Sequence[str]

    def make(self, person: tuple[str, str], generator: Random) -> Prompt:
        """A prompt in which a person's first name is mentioned again."""
        name, family_name = person
        other, instead = generator.sample([one for one in self.names if one != name], 2)
        other_family, instead_family = generator.sample([one for one in self.family_names if one != family_name], 2)
        template, wording = next(self.templates)
        rest = {"other": f"{other} {other_family}", "name": name}
        return Prompt(
            clean=wording.format(one=f"{name} {family_name}", **rest),
            corrupted=wording.format(one=f"{instead} {instead_family}", **rest),
            answers=(f" {family_name}",),
            distractors=(f" {other_family}",),
            template=template,
        )
