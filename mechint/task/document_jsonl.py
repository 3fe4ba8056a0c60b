"""Documents as JSON lines: an object a line, one of whose fields is the text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mechint.errors import Fault
from mechint.spec.scalars import describe_value
from mechint.task.document import Document, documents_of, no_field
from mechint.task.json_text import JsonError, parse_text

__all__ = ["read_jsonl"]

MOST_VALUES = 1 << 22
"""Values in a line, of which a long text's own commas count as some."""


def read_jsonl(path: Path, field: str) -> list[Document]:
    """The documents of a file, in its order. Raises DataError with all that is wrong with it."""
    return documents_of(_read(path, field), str(path))


def _read(path: Path, field: str) -> Iterator[Document | Fault]:
    with path.open("rb") as stream:
        # Lines of bytes end at b"\n" alone; in text, characters that JSON may hold would end them too.
        for number, line in enumerate(stream, 1):
            # A byte order mark says how the file is written and is no part of its text.
            raw = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if raw.strip():
                yield _read_line(raw.rstrip(b"\r\n"), field, str(path), number)


def _read_line(raw: bytes, field: str, file: str, line: int) -> Document | Fault:
    try:
        value = parse_text(raw.decode(), most_values=MOST_VALUES)
    except UnicodeDecodeError as error:
        return Fault(file=file, line=line, message=f"is not UTF-8: {error.reason} at byte {error.start + 1:,}")
    except JsonError as error:
        return Fault(file=file, line=line, column=error.column, message=str(error))
    if not isinstance(value, dict):
        return Fault(file=file, line=line, message=f"is {describe_value(value)}, and not an object with fields")
    if field not in value:
        return Fault(file=file, line=line, message=no_field(field, list(value)))
    return Document.of(value[field], field, file, line)
