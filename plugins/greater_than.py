"""Greater-than: what began in one year ended in a later one.

"The war lasted from the year 1732 to the year 17" is continued by a number above 32 (Hanna et al. 2023,
arXiv:2305.00586). How a year is written decides what is asked. Where the last two digits are one token, as in GPT-2,
the answers are all such tokens above the start and the distractors the others. Where every digit is a token, the
answers are the digits above the start's third digit and the distractors those below it; the same digit may be right or
wrong and is neither. The corrupted prompt starts in year 01 of its century, as in the paper, after which every
distractor but the first would be right. No event is both searched and judged on.

Distrust: with single digits a start in the eighties leaves 9 as the only answer. The sets are of different sizes;
prob_diff and log_odds add their probabilities up, logit_diff compares mean logits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mechint import hookimpl
from mechint.codes import Code
from mechint.errors import DataError
from mechint.spec.options import OptionsModel
from mechint.task.prompts import Draws, Prompt, draw_prompts
from mechint.task.templates import OneOf, choose_templates, in_turn, single_tokens
from mechint.task.words.nouns import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from random import Random

    from mechint.subject.subject import Subject
    from mechint.subject.tokenizer import Tokenizer
    from mechint.task.metric import Metric
    from mechint.task.task import Task

CENTURIES = range(11, 18)
"""First two digits of the years, as in the paper."""
TEMPLATES = {
    "lasted": "The {event} lasted from the year {start} to the year {century}",
    "began": "The {event} began in the year {start} and ended in the year {century}",
    "started": "The {event} that started in the year {start} was over in the year {century}",
    "ran": "According to the book, the {event} went on from the year {start} until the year {century}",
    "between": "Many people remember the {event} between the year {start} and the year {century}",
}


class Options(Draws):
    """Prompts about when something ended."""

    templates: Annotated[tuple[Annotated[str, OneOf(tuple(TEMPLATES))], ...], Field(min_length=1)] | None = None
    """Which templates are used; by default all."""


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_task(subject: Subject, options: Options, metric: Metric) -> Task:
    from mechint.task.behaviour import prompt_task

    tokenizer = subject.tokenizer()
    endings = _find_endings(tokenizer)
    templates = choose_templates(TEMPLATES, options.templates)
    maker = _Maker(
        templates=in_turn(templates, options.seed),
        endings=endings,
        starts=[(century, year) for century in endings for year in range(2, 100) if _fits(year, endings[century])],
    )
    events = single_tokens(EVENTS, tokenizer, what="events", least=4)
    prompts = draw_prompts(events, maker.make, options.examples, options.seed)
    asked = {1: "the third digit of a later year", 2: "the last two digits of a later year"}[maker.digits]
    description = (
        f"greater-than, {asked}: {len(templates)} templates, {len(events)} events, {len(maker.starts)} years to "
        "start in, corrupted: they start in year 01 of the century"
    )
    return prompt_task(subject, metric, options, prompts, description)


def _find_endings(tokenizer: Tokenizer) -> dict[int, list[str]]:
    """By century, the numbers of two digits, or else of one, that are one token after it and can start and end there.

    Raises DataError where the tokenizer writes years in neither way.
    """
    for digits in (2, 1):
        found = {century: _single_after(tokenizer, century, digits) for century in CENTURIES}
        usable = {century: endings for century, endings in found.items() if "01"[:digits] in endings}
        if any(_fits(year, endings) for endings in usable.values() for year in range(2, 100)):
            return usable
    written = " ".join(repr(tokenizer.decode([token])) for token in tokenizer.encode("the year 1732"))
    raise DataError(
        f"the tokenizer writes 'the year 1732' as {written}; the task needs the century and then one token for the "
        "last two digits, or one for each",
        code=Code.TOO_FEW,
    )


def _single_after(tokenizer: Tokenizer, century: int, digits: int) -> list[str]:
    before = tokenizer.encode(f"the year {century}")
    numbers = [f"{number:0{digits}}" for number in range(10**digits)]
    written = {number: tokenizer.encode(f"the year {century}{number}") for number in numbers}
    return [number for number, ids in written.items() if len(ids) == len(before) + 1 and ids[:-1] == before]


def _fits(year: int, endings: Sequence[str]) -> bool:
    """Whether a year of a century can be written, and some ending is above it and some below."""
    digits = len(endings[0])
    start = f"{year:02}"[:digits]
    return start in endings and start < max(endings) and any(_is_wrong(ending, start) for ending in endings)


def _is_wrong(ending: str, start: str) -> bool:
    """Whether no later year has this ending; one of the same decade has the same third digit."""
    return ending <= start if len(ending) == 2 else ending < start


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    templates: Iterator[tuple[str, str]]
    endings: Mapping[int, Sequence[str]]
    starts: Sequence[tuple[int, int]]

    @property
    def digits(self) -> int:
        """How many digits a token after the century has."""
        return len(next(iter(self.endings.values()))[0])

    def make(self, event: str, generator: Random) -> Prompt:
        """A prompt about when an event ended."""
        template, wording = next(self.templates)
        century, year = generator.choice(self.starts)
        start = f"{year:02}"[: self.digits]
        endings = self.endings[century]
        return Prompt(
            clean=wording.format(event=event, start=f"{century}{year:02}", century=century),
            corrupted=wording.format(event=event, start=f"{century}01", century=century),
            answers=tuple(ending for ending in endings if ending > start),
            distractors=tuple(ending for ending in endings if _is_wrong(ending, start)),
            template=template,
        )
