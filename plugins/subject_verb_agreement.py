"""Subject-verb agreement: the verb has the number of its subject, whatever stands between them.

"The keys near the cabinet" is continued by " are" rather than " is" (Linzen et al. 2016, arXiv:1611.01368; Finlayson
et al. 2021, arXiv:2106.06087). The templates put nothing, a prepositional phrase or a relative clause between subject
and verb, with a noun that may attract the verb. The answers are the verbs in the subject's number and the distractors
the same verbs in the other: is/are, was/were and has/have, as far as they are single tokens. The corrupted prompt has
the subject in the other number and all else unchanged, so that the answer turns round. No subject is both searched and
judged on.

Distrust: where the attractor has the other number, the corrupted prompt has none that misleads, and is the easier one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mechint import hookimpl
from mechint.codes import Code
from mechint.errors import DataError
from mechint.spec.options import OptionsModel
from mechint.task.prompts import Draws, Prompt, draw_prompts
from mechint.task.templates import OneOf, choose_templates, in_turn, single_tokens
from mechint.task.words.nouns import PEOPLE, THINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from mechint.subject.subject import Subject
    from mechint.subject.tokenizer import Tokenizer
    from mechint.task.metric import Metric
    from mechint.task.task import Task

TEMPLATES = {
    "simple": "The {adjective} {subject}",
    "near": "The {subject} near the {noun}",
    "behind": "The {adjective} {subject} behind the {noun}",
    "with": "I think that the {subject} with the {noun}",
    "object-relative": "The {subject} that the {person} saw",
    "subject-relative": "The {subject} that came with the {noun}",
    "person-relative": "As far as we know, the {subject} that the {person} found",
}
ADJECTIVES = ("old", "small", "big", "young", "new", "beautiful", "strange", "famous", "tall", "little", "dark", "good")
VERBS = (("is", "are"), ("was", "were"), ("has", "have"))


class Options(Draws):
    """Prompts that a verb continues."""

    templates: Annotated[tuple[Annotated[str, OneOf(tuple(TEMPLATES))], ...], Field(min_length=1)] | None = None
    """Which templates are used; by default all."""
    attractor: Literal["either", "opposite", "same"] = "either"
    """The number of the noun between subject and verb: drawn, the opposite of the subject's, or the subject's."""


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_task(subject: Subject, options: Options, metric: Metric) -> Task:
    from mechint.task.behaviour import prompt_task

    tokenizer = subject.tokenizer()
    people, things = _keep(PEOPLE, tokenizer), _keep(THINGS, tokenizer)
    templates = choose_templates(TEMPLATES, options.templates)
    maker = _Maker(
        templates=in_turn(templates, options.seed),
        people=people,
        nouns=[*people, *things],
        adjectives=single_tokens(ADJECTIVES, tokenizer, what="adjectives", least=1),
        verbs=_keep_verbs(tokenizer),
        attractor=options.attractor,
    )
    prompts = draw_prompts(maker.nouns, maker.make, options.examples, options.seed)
    verbs = ", ".join(f"{singular}/{plural}" for singular, plural in maker.verbs)
    description = (
        f"subject-verb agreement ({verbs}): {len(templates)} templates, {len(maker.nouns)} nouns, number of the "
        f"attractor: {options.attractor}, corrupted: the subject in the other number"
    )
    return prompt_task(subject, metric, options, prompts, description)


def _keep(nouns: Sequence[str], tokenizer: Tokenizer) -> list[str]:
    """The nouns of which both numbers are single tokens."""
    plurals = set(single_tokens([f"{noun}s" for noun in nouns], tokenizer, what="plurals", least=3))
    return single_tokens([noun for noun in nouns if f"{noun}s" in plurals], tokenizer, what="nouns", least=3)


def _keep_verbs(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    kept = single_tokens([form for pair in VERBS for form in pair], tokenizer, what="verbs", least=2)
    pairs = [pair for pair in VERBS if set(pair) <= set(kept)]
    if not pairs:
        raise DataError(
            f"of no verb the tokenizer writes both forms as one token, only {', '.join(kept)}", code=Code.TOO_FEW
        )
    return pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    templates: Iterator[tuple[str, str]]
    people: Sequence[str]
    nouns: Sequence[str]
    adjectives: Sequence[str]
    verbs: Sequence[tuple[str, str]]
    attractor: str

    def make(self, noun: str, generator: Random) -> Prompt:
        """A prompt with the noun as its subject."""
        template, wording = next(self.templates)
        plural = generator.random() < 0.5
        attracts = {"opposite": not plural, "same": plural, "either": generator.random() < 0.5}[self.attractor]
        rest = {
            "adjective": generator.choice(self.adjectives),
            "noun": _numbered(generator.choice([other for other in self.nouns if other != noun]), plural=attracts),
            "person": _numbered(generator.choice([other for other in self.people if other != noun]), plural=attracts),
        }
        return Prompt(
            clean=wording.format(subject=_numbered(noun, plural=plural), **rest),
            corrupted=wording.format(subject=_numbered(noun, plural=not plural), **rest),
            answers=tuple(f" {pair[plural]}" for pair in self.verbs),
            distractors=tuple(f" {pair[not plural]}" for pair in self.verbs),
            template=template,
        )


def _numbered(noun: str, *, plural: bool) -> str:
    return f"{noun}s" if plural else noun
