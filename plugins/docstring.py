"""Docstrings: the arguments of a function are described in the order of its definition.

After a definition that takes ``load, size, file, last`` and a docstring that describes ``load`` and ``size``,
":param" is continued by " file" (Heimersheim and Janiak 2023, "A circuit for Python docstrings in a 4-layer
attention-only transformer"). The templates are ways to write such a line. Arguments and the words that describe them
are drawn from single tokens. The distractors are the function's other arguments. No two arguments of which one is the
answer after the other, in either order, are both searched and judged on.

Distrust: the answer can be found by induction, since it follows the last described argument in the definition;
``docstring`` takes that road away and leaves the answer in sight, ``definition`` takes the answer away.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mechint import hookimpl
from mechint.spec.options import OptionsModel
from mechint.task.prompts import Draws, Prompt, draw_prompts
from mechint.task.templates import OneOf, choose_templates, in_turn, single_tokens
from mechint.task.words.code import ARGUMENTS, FUNCTIONS
from mechint.task.words.nouns import PEOPLE, THINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from mechint.subject.subject import Subject
    from mechint.task.metric import Metric
    from mechint.task.task import Task

TEMPLATES = {
    "param": "        :param {argument}: the {words}\n",
    "arg": "        :arg {argument}: {words}\n",
    "at-param": "        @param {argument} {words}\n",
    "parameter": "        Parameter {argument}: {words}\n",
    "dash": "        - {argument}: {words}\n",
    "star": "        * {argument} is the {words}\n",
}
"""A line for each described argument; the prompt ends where the next one's name would stand."""
DEFINITION = '    def {function}(self, {arguments}):\n        """The {about}\n\n'

NOUNS = tuple(noun for noun in (*PEOPLE, *THINGS) if noun not in ARGUMENTS)


class Options(Draws):
    """Functions of which an argument is to be described."""

    templates: Annotated[tuple[Annotated[str, OneOf(tuple(TEMPLATES))], ...], Field(min_length=1)] | None = None
    """Which templates are used; by default all."""
    corruption: Literal["definition", "docstring", "both"] = "definition"
    """Of the corrupted prompt: which of the two has other arguments. The paper's random_random is both."""


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_task(subject: Subject, options: Options, metric: Metric) -> Task:
    from mechint.task.behaviour import prompt_task

    tokenizer = subject.tokenizer()
    templates = choose_templates(TEMPLATES, options.templates)
    maker = _Maker(
        templates=in_turn(templates, options.seed),
        arguments=single_tokens(ARGUMENTS, tokenizer, what="arguments", least=12),
        functions=single_tokens(FUNCTIONS, tokenizer, what="functions", least=1),
        words=single_tokens(NOUNS, tokenizer, what="nouns", least=7),
        corruption=options.corruption,
    )
    pairs = list(combinations(maker.arguments, 2))
    prompts = draw_prompts(pairs, maker.make, options.examples, options.seed)
    replaced = {"both": "definition and docstring"}.get(options.corruption, options.corruption)
    description = (
        f"the next argument in a docstring: {len(templates)} templates, {len(maker.arguments)} arguments, "
        f"corrupted: other arguments in the {replaced}"
    )
    return prompt_task(subject, metric, options, prompts, description)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    templates: Iterator[tuple[str, str]]
    arguments: Sequence[str]
    functions: Sequence[str]
    words: Sequence[str]
    corruption: str

    def make(self, pair: tuple[str, str], generator: Random) -> Prompt:
        """A function that takes four arguments and describes two; the pair are the last of those and the next."""
        described, answer = generator.sample(pair, 2)
        others = generator.sample([name for name in self.arguments if name not in pair], 8)
        first, last, *replacing = others
        taken = (first, described, answer, last)
        template, line = next(self.templates)
        function, words = generator.choice(self.functions), generator.sample(self.words, 7)
        return Prompt(
            clean=_write(function, taken, taken[:2], line, words),
            corrupted=_write(
                function,
                taken if self.corruption == "docstring" else replacing[:4],
                taken[:2] if self.corruption == "definition" else replacing[4:],
                line,
                words,
            ),
            answers=(f" {answer}",),
            distractors=tuple(f" {argument}" for argument in (first, described, last)),
            template=template,
        )


def _write(function: str, taken: Sequence[str], described: Sequence[str], line: str, words: Sequence[str]) -> str:
    """The definition of a function and its docstring, up to the name of the next argument that is described."""
    head = DEFINITION.format(function=function, arguments=", ".join(taken), about=" ".join(words[:3]))
    about = (f"{words[3]} {words[4]}", f"{words[5]} {words[6]}")
    lines = [line.format(argument=name, words=text) for name, text in zip(described, about, strict=True)]
    return "".join([head, *lines, line.partition(" {argument}")[0]])
