"""One text that windows are cut from, and what is wrong with those that hold none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mechint.codes import Code
from mechint.errors import DataError, Fault
from mechint.spec.scalars import describe_value, quote
from mechint.spec.suggest import did_you_mean

__all__ = ["Document", "documents_of", "no_field"]

MOST_FAULTS = 10
"""Faults that an error lists."""
MOST_NAMES = 8
"""Fields that are listed where the one that was asked for is missing."""

_HALF = re.compile("[\ud800-\udfff]")
"""Half of a character beyond U+FFFF, which JSON can spell and UTF-8 cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A text and where it stands."""

    text: str
    place: str
    """As messages name it: a file, and the line or row where it holds more than one."""

    @classmethod
    def of(cls, value: object, field: str, file: str, line: int | None = None) -> Document | Fault:
        """What a field holds, if it is text."""
        if not isinstance(value, str):
            message = f"field {quote(field)} is {describe_value(value)}, and not a string"
            return Fault(file=file, line=line, message=message)
        if _HALF.search(value):
            message = f"field {quote(field)} has half a character in it, one of \\ud800 to \\udfff alone"
            return Fault(file=file, line=line, message=message)
        return cls(text=value, place=file if line is None else f"{file}:{line}")


def documents_of(found: Iterable[Document | Fault], file: str) -> list[Document]:
    """The documents of a file. Raises DataError with its first faults, and with how many others there are."""
    documents: list[Document] = []
    faults: list[Fault] = []
    for one in found:
        if isinstance(one, Document):
            documents.append(one)
        else:
            faults.append(one)
    if faults:
        more = [f"{file}: and {len(faults) - MOST_FAULTS:,} more faults"] if len(faults) > MOST_FAULTS else []
        raise DataError("\n".join([*map(str, faults[:MOST_FAULTS]), *more]), code=Code.PROMPTS)
    if not documents:
        raise DataError(f"{file}: is empty", code=Code.PROMPTS)
    return documents


def no_field(field: str, there: Sequence[str]) -> str:
    """The message where a field is missing."""
    names = [*map(quote, there[:MOST_NAMES]), *(["…"] if len(there) > MOST_NAMES else [])] or ["none"]
    return f"has no field {quote(field)}" + (did_you_mean(field, there) or f"; its fields: {', '.join(names)}")
