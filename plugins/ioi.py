"""Indirect object identification: of two people the one who is named once is given something.

"When Mary and John came home from the store, John handed a drink to" is continued by " Mary" (Wang et al. 2022,
arXiv:2211.00593). Each wording is a template twice: ABBA names the indirect object (A) first, BABA the subject (B). The
names, the place and the present are single tokens of the model's tokenizer, so all prompts of a template have as many
tokens. The answer is the indirect object and the distractor the subject. No pair of names, in either order, is both
searched and judged on.

Distrust: a model may prefer some names whatever the prompt says; ``swapped`` cancels that, as both names stay.
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
from mechint.task.words.nouns import PLACES, PRESENTS
from mechint.task.words.people import MEN, WOMEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from mechint.subject.subject import Subject
    from mechint.task.metric import Metric
    from mechint.task.task import Task

WORDINGS = (
    "When {first} and {second} came home from the {place}, {third} handed a {present} to",
    "After {first} and {second} had met at the {place}, {third} gave a {present} to",
    "While {first} and {second} were waiting near the {place}, {third} showed a {present} to",
    "Yesterday {first} and {second} spent the day at the {place}, and {third} sold a {present} to",
    "Then {first} and {second} walked to the {place} together. On the way {third} passed a {present} to",
    "It was raining when {first} and {second} came to the {place}, and {third} lent a {present} to",
    "Because {first} and {second} were friends from the {place}, {third} decided to give a {present} to",
    "Once {first} and {second} found a {present} behind the {place}, and {third} offered it to",
    "It was late when {first} and {second} left the {place}. At the door {third} gave a {present} back to",
    "Last week {first} and {second} visited the {place}. There {third} bought a {present} for",
)
TEMPLATES = {f"{number}-{order}": wording for number, wording in enumerate(WORDINGS, 1) for order in ("ABBA", "BABA")}


class Options(Draws):
    """Prompts about who is given something."""

    templates: Annotated[tuple[Annotated[str, OneOf(tuple(TEMPLATES))], ...], Field(min_length=1)] | None = None
    """Which templates are used; by default all. ABBA mentions the indirect object first, BABA the subject."""
    corruption: Literal["swapped", "abc", "random"] = "swapped"
    """Of the corrupted prompt. swapped: the subject's second mention becomes the indirect object's name, so that the
    two change roles and the answer becomes the distractor. abc: the three mentions become three other names, so that
    none is named twice and none is the answer (the paper's ABC). random: both names become two others in the same
    order, so that the roles stay and the names change."""


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
        names=single_tokens([*WOMEN, *MEN], tokenizer, what="names", least=6),
        places=single_tokens(PLACES, tokenizer, what="places", least=1),
        presents=single_tokens(PRESENTS, tokenizer, what="presents", least=1),
        corruption=options.corruption,
    )
    pairs = list(combinations(maker.names, 2))
    prompts = draw_prompts(pairs, maker.make, options.examples, options.seed)
    description = (
        f"indirect object identification: {len(templates)} templates, {len(maker.names)} names, corrupted: "
        f"{_CORRUPTIONS[options.corruption]}"
    )
    return prompt_task(subject, metric, options, prompts, description)


_CORRUPTIONS = {
    "swapped": "the two people change roles",
    "abc": "three other names",
    "random": "two other names in the same roles",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    templates: Iterator[tuple[str, str]]
    names: Sequence[str]
    places: Sequence[str]
    presents: Sequence[str]
    corruption: str

    def make(self, pair: tuple[str, str], generator: Random) -> Prompt:
        """A prompt about two people."""
        recipient, giver = generator.sample(pair, 2)
        template, wording = next(self.templates)
        nouns = {"place": generator.choice(self.places), "present": generator.choice(self.presents)}
        in_order = _ordered(template, recipient, giver)
        clean = wording.format(first=in_order[0], second=in_order[1], third=giver, **nouns)
        first, second, third = self._corrupt(template, recipient, giver, generator)
        return Prompt(
            clean=clean,
            corrupted=wording.format(first=first, second=second, third=third, **nouns),
            answers=(f" {recipient}",),
            distractors=(f" {giver}",),
            template=template,
        )

    def _corrupt(self, template: str, recipient: str, giver: str, generator: Random) -> tuple[str, str, str]:
        """The three names of the corrupted prompt, as they are mentioned."""
        others = generator.sample([name for name in self.names if name not in (recipient, giver)], 3)
        match self.corruption:
            case "swapped":
                return (*_ordered(template, recipient, giver), recipient)
            case "abc":
                return others[0], others[1], others[2]
            case _:
                return (*_ordered(template, others[0], others[1]), others[1])


def _ordered(template: str, recipient: str, giver: str) -> tuple[str, str]:
    """The two names as the template first mentions them."""
    return (recipient, giver) if template.endswith("ABBA") else (giver, recipient)
