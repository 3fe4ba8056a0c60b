"""Gendered pronouns: a name decides between "she" and "he".

"So Mary is a really great friend, isn't" is continued by " she" (the behaviour that Conmy et al. 2023,
arXiv:2304.14997, list by Mathwin et al.). Names are single tokens; the corrupted prompt has a name of the other gender
in the same place, so that the answer turns round. No name is both searched and judged on, and none of a corrupted
prompt either.

Distrust: the gender of a name is what English texts make of it. A model that prefers one pronoun is right on half of
the prompts, so an accuracy near .5 shows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mechint import hookimpl
from mechint.spec.options import OptionsModel
from mechint.task.prompts import Draws, Prompt, draw_prompts
from mechint.task.templates import OneOf, choose_templates, in_turn, single_tokens
from mechint.task.words.people import MEN, WOMEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mechint.subject.subject import Subject
    from mechint.task.metric import Metric
    from mechint.task.task import Task

TEMPLATES = {
    "tag-is": "So {name} is a really {quality} {role}, isn't",
    "tag-was": "I hear that {name} was a very {quality} {role}, wasn't",
    "tag-can": "Everybody knows that {name} can be a {quality} {role}, can't",
    "because": "We all like {name} as a {role} because",
    "but": "People say that {name} is a {quality} {role}, but",
    "when": "The {quality} {role} is called {name}, and when we first met,",
    "that": "Our {quality} {role} {name} told us that",
    "although": "Last year {name} became a {role}, although",
}
QUALITIES = ("great", "good", "nice", "kind", "clever", "funny", "patient", "brave", "smart", "strong", "quiet", "calm")
ROLES = ("friend", "teacher", "student", "doctor", "writer", "driver", "leader", "player", "singer", "manager", "cook")


class Options(Draws):
    """Prompts that a pronoun continues."""

    templates: Annotated[tuple[Annotated[str, OneOf(tuple(TEMPLATES))], ...], Field(min_length=1)] | None = None
    """Which templates are used; by default all."""


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_task(subject: Subject, options: Options, metric: Metric) -> Task:
    from mechint.task.behaviour import prompt_task

    tokenizer = subject.tokenizer()
    women = single_tokens(WOMEN, tokenizer, what="names of women", least=2)
    men = single_tokens(MEN, tokenizer, what="names of men", least=2)
    templates = choose_templates(TEMPLATES, options.templates)
    maker = _Maker(
        templates=in_turn(templates, options.seed),
        qualities=single_tokens(QUALITIES, tokenizer, what="qualities", least=1),
        roles=single_tokens(ROLES, tokenizer, what="roles", least=1),
    )
    couples = _couples(women, men, Random(options.seed))
    prompts = draw_prompts(couples, maker.make, options.examples, options.seed)
    description = (
        f"gendered pronouns: {len(templates)} templates, {2 * len(couples)} names, corrupted: a name of the "
        "other gender"
    )
    return prompt_task(subject, metric, options, prompts, description)


def _couples(women: Sequence[str], men: Sequence[str], generator: Random) -> list[tuple[str, str]]:
    """A woman's and a man's name each; names that find no partner are left out."""
    count = min(len(women), len(men))
    return list(zip(generator.sample(women, count), generator.sample(men, count), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    templates: Iterator[tuple[str, str]]
    qualities: Sequence[str]
    roles: Sequence[str]

    def make(self, couple: tuple[str, str], generator: Random) -> Prompt:
        """A prompt about one of two people."""
        template, wording = next(self.templates)
        rest = {"quality": generator.choice(self.qualities), "role": generator.choice(self.roles)}
        shown = generator.randrange(2)
        pronouns = (" she", " he")
        return Prompt(
            clean=wording.format(name=couple[shown], **rest),
            corrupted=wording.format(name=couple[1 - shown], **rest),
            answers=(pronouns[shown],),
            distractors=(pronouns[1 - shown],),
            template=template,
        )
