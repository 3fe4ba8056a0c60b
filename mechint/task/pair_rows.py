"""One row of a file of prompts as a prompt, checked field by field, whatever its format calls the fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mechint.errors import Fault
from mechint.spec.scalars import describe_value, quote
from mechint.spec.suggest import closest, did_you_mean
from mechint.task.prompts import Prompt

__all__ = ["Layout", "Row", "read_row"]

Row = Prompt | Fault
"""What a row gives: its prompt, or each thing that is wrong with it."""

LARGEST_ID = 2**31 - 1
LARGEST_WEIGHT = 1e6
"""Weights lie between this and its inverse: float32 holds them and the sums of a million of them."""
MOST_UNKNOWN = 10
"""Unknown fields of a row that are named."""
LONGEST_SHOWN = 80
"""Characters of a value in a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a format calls the fields of a prompt: clean, corrupted, answer, distractor, subject, template, weight."""

    names: Mapping[str, str]
    """The format's name for each of those that it has."""
    required: frozenset[str]
    """Those that no row may lack, by their own names."""
    ignored: frozenset[str] = frozenset()
    """Names that are known to say nothing about the prompt."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """What to do where a required one is missing, by their own names."""
    decode: Callable[[str, Any], Any] = lambda _, value: value
    """From a field's own name and what stands in the file to the value; raises ValueError with what is wrong."""

    def find_misnamed(self, there: Iterable[str], filled: Iterable[str], word: str) -> list[tuple[str, str | None]]:
        """What is wrong with the names in a row or a header, each with a hint.

        ``there`` are all names, ``filled`` those with a value, and ``word`` is what a name is called.
        """
        known = list(self.names.values())
        unknown = [name for name in there if name not in known and name not in self.ignored]
        shown = unknown[:MOST_UNKNOWN]
        found: list[tuple[str, str | None]] = []
        for name in shown:
            meant = did_you_mean(name, known) or f"; known are {', '.join(known)}"
            found.append((f"unknown {word} {quote(name)}{meant}", None))
        if len(unknown) > len(shown):
            found.append((f"{len(unknown) - len(shown):,} more unknown {word}s", None))
        excused = {*filled, *(closest(name, known) for name in shown)}
        for own, name in self.names.items():
            if own in self.required and name not in excused:
                found.append((f"has no {word} {quote(name)}", self.hints.get(own)))
        return found


def read_row(row: object, layout: Layout, file: str, line: int, within: str = "") -> Iterator[Row]:
    """The prompt of a row, or everything that is wrong with it. ``within`` is where in the file's value it stands."""
    whole, part = (f"{within}: ", f"{within}.") if within else ("", "")
    if not isinstance(row, dict):
        expected = f"expected an object with {', '.join(layout.names.values())}"
        yield Fault(file=file, line=line, message=f"{whole}is {_shown(row)}; {expected}")
        return
    filled = [name for name, value in row.items() if value is not None]
    values, unusable = _read_fields(row, layout)
    found = [(f"{whole}{message}", hint) for message, hint in layout.find_misnamed(row, filled, "field")]
    for own, message in (*unusable, *_find_contradictions(values)):
        found.append((f"{part}{layout.names[own]}: {message}", None))
    for message, hint in found:
        yield Fault(file=file, line=line, message=message, hint=hint)
    if not found:
        yield _prompt(values, f"{file}:{line}")


def _read_fields(row: Mapping[str, object], layout: Layout) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The values of a row's fields, and what is wrong with those that have none, by the fields' own names."""
    values: dict[str, Any] = {}
    faults: list[tuple[str, str]] = []
    for own, name in layout.names.items():
        if row.get(name) is None:
            continue
        try:
            values[own] = _READERS[own](layout.decode(own, row[name]))
        except ValueError as fault:
            faults.append((own, str(fault)))
    return values, faults


def _find_contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Which fields do not go with the clean prompt, and why."""
    clean = values.get("clean")
    if clean is None:
        return
    if "corrupted" in values and type(values["corrupted"]) is not type(clean):
        yield "corrupted", f"is {_kind(values['corrupted'])}, and clean is {_kind(clean)}"
    if values.get("corrupted") == clean:
        yield "corrupted", "is the clean prompt, so that nothing is corrupted"
    for own in ("answer", "distractor"):
        if isinstance(clean, tuple) and any(isinstance(answer, str) for answer in values.get(own, ())):
            yield own, "is text, and clean is token ids"
    if "subject" in values:
        try:
            _find_span(values["subject"], clean)
        except ValueError as fault:
            yield "subject", str(fault)


def _prompt(values: Mapping[str, Any], place: str) -> Prompt:
    subject = values.get("subject")
    prompt = Prompt(
        clean=values["clean"],
        answers=values["answer"],
        distractors=values.get("distractor", ()),
        corrupted=values.get("corrupted"),
        template=values.get("template", ""),
        weight=values.get("weight", 1.0),
        place=place,
    )
    return prompt if subject is None else replace(prompt, subject=_find_span(subject, prompt.clean))


def _read_prompt(value: object) -> str | tuple[int, ...]:
    if isinstance(value, str):
        return _read_text(value)
    if isinstance(value, list):
        return tuple(map(_read_id, _filled(value)))
    raise ValueError(f"is {_shown(value)}; expected text or a list of token ids")


def _read_answers(value: object) -> tuple[str | int, ...]:
    return tuple(map(_read_answer, _filled(value) if isinstance(value, list) else [value]))


def _read_distractors(value: object) -> tuple[str | int, ...]:
    return () if value == [] else _read_answers(value)


def _read_answer(value: object) -> str | int:
    if isinstance(value, str):
        return _read_text(value)
    if type(value) is int:
        return _read_id(value)
    raise ValueError(f"{_shown(value)} is neither text nor a token id")


def _read_subject(value: object) -> str | tuple[int, int]:
    if isinstance(value, str):
        return _read_text(value)
    match value:
        case [int(first), int(past)] if bool not in (type(first), type(past)) and 0 <= first < past:
            return first, past
    raise ValueError("is no span; expected [first, past], counted from 0, or the subject's text")


def _read_name(value: object) -> str:
    if isinstance(value, str):
        return _read_text(value)
    raise ValueError(f"is {_shown(value)}; expected text")


def _read_weight(value: object) -> float:
    least, most = 1 / LARGEST_WEIGHT, LARGEST_WEIGHT
    # NaN lies in no range.
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
        return float(value)
    raise ValueError(f"is {_shown(value)}; expected a number from {least:f} to {most:,.0f}")


_READERS: Mapping[str, Callable[[object], Any]] = {
    "clean": _read_prompt,
    "corrupted": _read_prompt,
    "answer": _read_answers,
    "distractor": _read_distractors,
    "subject": _read_subject,
    "template": _read_name,
    "weight": _read_weight,
}


def _read_text(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"holds half of a surrogate pair at character {error.start:,}, which is no text") from None
    return text


def _read_id(value: object) -> int:
    if type(value) is int and 0 <= value <= LARGEST_ID:
        return value
    raise ValueError(f"{_shown(value)} is no token id, which is a whole number from 0 to {LARGEST_ID:,}")


def _filled(values: list[object]) -> list[object]:
    if not values:
        raise ValueError("is empty")
    return values


def _find_span(subject: str | tuple[int, int], clean: str | tuple[int, ...]) -> tuple[int, int]:
    """Where the subject stands in the clean prompt, in characters or tokens."""
    if isinstance(subject, tuple):
        if subject[1] > len(clean):
            unit = "characters" if isinstance(clean, str) else "token ids"
            raise ValueError(f"ends at {subject[1]:,}, and clean has {len(clean):,} {unit}")
        return subject
    if not isinstance(clean, str):
        raise ValueError("is text, and clean is token ids; expected [first, past]")
    first = clean.find(subject)
    if first < 0:
        raise ValueError(f"{quote(subject)} does not occur in clean")
    if clean.find(subject, first + 1) >= 0:
        raise ValueError(f"{quote(subject)} occurs more than once in clean; state [first, past], in characters")
    return first, first + len(subject)


def _shown(value: object) -> str:
    """A value as messages name it."""
    shown = "null" if value is None else describe_value(value)
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[: LONGEST_SHOWN - 1]}…"


def _kind(prompt: str | tuple[int, ...]) -> str:
    return "text" if isinstance(prompt, str) else "token ids"
