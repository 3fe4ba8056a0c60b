"""Prompts before a tokenizer has seen them, and drawing them so that both parts of a task share nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from mechint.codes import Code
from mechint.errors import DataError
from mechint.spec.options import OptionsModel
from mechint.task.windows import Counts

__all__ = ["AnswerRule", "Draws", "Prompt", "PromptOptions", "draw_prompts"]

AnswerRule = Literal["single_token", "first_token", "sequence"]

_Key = TypeVar("_Key")
_TRIES = 20
"""Attempts a prompt, before the task is said to have no more."""


class PromptOptions(OptionsModel):
    """What every task of prompts takes."""

    bos: bool | None = None
    """Begin every prompt with the token that marks a text's beginning; by default where the tokenizer itself does."""
    min_accuracy: Annotated[float, Field(ge=0, le=1)] = 0.7
    """The full model's least accuracy on the examples; below it the model does not show the behaviour, and the item is
    an error."""
    only_correct: bool = False
    """Leave out the examples that the full model gets wrong; how many is reported."""


class Draws(PromptOptions):
    """What a task takes that makes its own prompts."""

    examples: Counts = Counts(train=128, validation=128)
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Which prompts are made. Not the seed of the search: runs that differ in that are judged on the same examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt and what may follow it: text, or token ids where a task is about tokens."""

    clean: str | tuple[int, ...]
    answers: tuple[str | int, ...]
    """Any of them is right; an int is a token id. Text as it continues the prompt, so mostly with a space before it."""
    distractors: tuple[str | int, ...] = ()
    """What the answers compete with."""
    corrupted: str | tuple[int, ...] | None = None
    """The prompt with what decides its answer changed."""
    subject: tuple[int, int] | None = None
    """What the prompt is about: first and past the last character of the text, or token of the ids."""
    template: str = ""
    """Prompts of one template have the same parts in the same order."""
    weight: float = 1.0
    place: str = ""
    """Where it stands, for errors: ``data/pairs.jsonl:12``."""


def draw_prompts(
    keys: Sequence[_Key], make: Callable[[_Key, random.Random], Prompt], counts: Counts, seed: int
) -> tuple[list[Prompt], list[Prompt]]:
    """Make prompts to search on and to judge on, no two of them alike.

    ``keys`` are what both parts must not share, such as pairs of names: each goes to one part. ``make`` draws a prompt
    for a key. Raises DataError where the keys do not give as many different prompts as are asked for.
    """
    generator = random.Random(seed)
    shuffled = list(keys)
    generator.shuffle(shuffled)
    share = counts.train / (counts.train + counts.validation)
    cut = min(max(round(len(shuffled) * share), 1), len(shuffled) - 1)
    seen: set[str | tuple[int, ...]] = set()
    search = _draw(shuffled[:cut], make, counts.train, generator, seen, "train")
    heldout = _draw(shuffled[cut:], make, counts.validation, generator, seen, "validation")
    return search, heldout


def _draw(
    keys: Sequence[_Key],
    make: Callable[[_Key, random.Random], Prompt],
    count: int,
    generator: random.Random,
    seen: set[str | tuple[int, ...]],
    part: str,
) -> list[Prompt]:
    """``count`` prompts that are not in ``seen``, taking the keys by turns; ``part`` is the option with the count."""
    prompts: list[Prompt] = []
    for attempt in range(_TRIES * count if keys else 0):
        prompt = make(keys[attempt % len(keys)], generator)
        if prompt.clean not in seen:
            seen.add(prompt.clean)
            prompts.append(prompt)
        if len(prompts) == count:
            return prompts
    raise DataError(
        f"task.examples.{part} asks for {count} prompts; the task can make {len(prompts)} different ones\n"
        "  hint: ask for fewer",
        code=Code.TOO_FEW,
    )
