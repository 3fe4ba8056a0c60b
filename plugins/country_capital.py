"""Countries and capitals: facts that a model knows, for causal tracing.

"The capital of France is the city of" is continued by " Paris" (as the facts of Meng et al. 2022, arXiv:2202.05262).
The country is the prompt's subject, and its tokens are stated with each example. Countries are taken in twos: one is
asked for, the other stands in its place in the corrupted prompt, and its capital is the distractor. All have as many
tokens, the number that most countries have, so that prompts align. No country is both searched and judged on. By
default only capitals that are one token are asked for.

Distrust: a large part of the answer may come from "capital" and the kind of the sentence alone, which both prompts
share. With ``answers: first_token`` the answer may be a few letters that other words begin with too.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mechint import hookimpl
from mechint.codes import Code
from mechint.errors import DataError
from mechint.spec.options import OptionsModel
from mechint.task.prompts import Draws, Prompt, draw_prompts
from mechint.task.templates import OneOf, choose_templates, in_turn
from mechint.task.windows import Counts
from mechint.task.words.countries import CAPITALS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mechint.subject.subject import Subject
    from mechint.subject.tokenizer import Tokenizer
    from mechint.task.metric import Metric
    from mechint.task.task import Task

TEMPLATES = {
    "is": "The capital of {country} is",
    "city": "The capital of {country} is the city of",
    "capital-city": "The capital city of {country} is called",
    "question": "Question: What is the capital of {country}? Answer:",
    "answer": "Q: Which city is the capital of {country}? A: The capital is",
    "of-the-state": "Everyone learns at school that the capital of {country} is",
    "government": "The government of {country} has its seat in the capital,",
    "embassy": "The embassy is in the capital of {country}, which is",
    "train": "They took a train to the capital of {country}, the city of",
    "known": "As you know, the capital of {country} is",
}
FEWEST = 8
"""Countries that the task needs: two twos for each part."""


class Options(Draws):
    """Prompts that a capital continues."""

    examples: Counts = Counts(train=64, validation=64)
    templates: Annotated[tuple[Annotated[str, OneOf(tuple(TEMPLATES))], ...], Field(min_length=1)] | None = None
    """Which templates are used; by default all."""
    answers: Literal["single_token", "first_token"] = "single_token"
    """Ask for capitals that are one token, or for the first token of any."""


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_task(subject: Subject, options: Options, metric: Metric) -> Task:
    from mechint.task.behaviour import prompt_task
    from mechint.task.tokenized import Rules

    length, countries = _askable(subject.tokenizer(), options.answers)
    twos = _twos(countries, Random(options.seed))
    templates = choose_templates(TEMPLATES, options.templates)
    maker = _Maker(templates=in_turn(templates, options.seed))
    prompts = draw_prompts(twos, maker.make, options.examples, options.seed)
    description = (
        f"capitals of countries: {len(templates)} templates, {2 * len(twos)} countries of {length} "
        f"token{'s' * (length > 1)}, corrupted: another country"
    )
    if options.answers == "first_token":
        description += ", scored by the first token of the capital"
    rules = Rules(answers=options.answers, bos=options.bos)
    return prompt_task(subject, metric, options, prompts, description, rules)


def _askable(tokenizer: Tokenizer, rule: str) -> tuple[int, list[str]]:
    """Countries of as many tokens, and how many, whose capitals can be asked for and told from one another."""
    before = len(tokenizer.encode("in"))
    by_answer: dict[int, str] = {}
    for country, capital in CAPITALS.items():
        first, *more = tokenizer.encode(f"in {capital}")[before:]
        if not more or rule == "first_token":
            by_answer.setdefault(first, country)
    by_length: dict[int, list[str]] = {}
    for country in by_answer.values():
        by_length.setdefault(len(tokenizer.encode(f"in {country}")) - before, []).append(country)
    length, countries = max(by_length.items(), key=lambda item: len(item[1]), default=(0, []))
    if len(countries) < FEWEST:
        raise DataError(
            f"of {len(CAPITALS)} countries the tokenizer writes {len(by_answer)} in a way that can be asked for, "
            f"{len(countries)} of them with as many tokens, and the task needs {FEWEST}\n"
            "  hint: answers: first_token asks for the first token of each capital",
            code=Code.TOO_FEW,
        )
    return length, countries


def _twos(countries: Sequence[str], generator: Random) -> list[tuple[str, str]]:
    """The countries in twos; of an odd number one is left out."""
    shuffled = generator.sample(countries, len(countries))
    return list(zip(shuffled[::2], shuffled[1::2], strict=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    templates: Iterator[tuple[str, str]]

    def make(self, two: tuple[str, str], generator: Random) -> Prompt:
        """A prompt about one of two countries."""
        template, wording = next(self.templates)
        country, other = generator.sample(two, 2)
        first = wording.index("{country}")
        return Prompt(
            clean=wording.format(country=country),
            corrupted=wording.format(country=other),
            answers=(f" {CAPITALS[country]}",),
            distractors=(f" {CAPITALS[other]}",),
            subject=(first, first + len(country)),
            template=template,
        )
