"""Templates whose slots are filled with words that a tokenizer writes as one token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, TypeVar

from pydantic_core import core_schema

from mechint.codes import Code
from mechint.errors import DataError

if TYPE_CHECKING:
    from mechint.subject.tokenizer import Tokenizer

__all__ = ["OneOf", "choose_templates", "in_turn", "single_tokens"]

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class OneOf:
    """Says of an option's text that it is one of some names: ``Annotated[str, OneOf(tuple(TEMPLATES))]``."""

    names: tuple[str, ...]

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> core_schema.CoreSchema:
        return core_schema.literal_schema(list(self.names))


def choose_templates(templates: Mapping[str, str], names: Sequence[str] | None) -> list[tuple[str, str]]:
    """The templates of these names with their texts, each once; None stands for all."""
    return [(name, text) for name, text in templates.items() if names is None or name in names]


def in_turn(values: Sequence[_Value], seed: int) -> Iterator[_Value]:
    """The values for ever: all of them in a random order, and then all of them in another.

    Templates that are taken so come about as often as each other in both parts of a task.
    """
    generator = Random(seed)
    while True:
        yield from generator.sample(values, len(values))


def single_tokens(words: Sequence[str], tokenizer: Tokenizer, *, what: str, least: int) -> list[str]:
    """The words that are one token within a sentence. Raises DataError where they are fewer than ``least``."""
    from mechint.task.tokenized import keep_single_tokens

    kept = keep_single_tokens(words, tokenizer)
    if len(kept) < least:
        raise DataError(
            f"the tokenizer writes {len(kept)} of {len(words)} {what} as one token, and the task needs {least}\n"
            "  hint: its prompts are English; the task `pairs` takes prompts of your own",
            code=Code.TOO_FEW,
        )
    return kept
