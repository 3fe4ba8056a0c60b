"""Prompts as JSON lines: an object a line."""

from __future__ import annotations

from collections.abc import Iterator

from mechint.errors import Fault
from mechint.task.json_text import JsonError, parse_text
from mechint.task.pair_rows import Layout, Row, read_row

__all__ = ["FIELDS", "LAYOUT", "REQUIRED", "read_jsonl"]

FIELDS = ("clean", "corrupted", "answer", "distractor", "subject", "template", "weight")
REQUIRED = frozenset({"clean", "answer"})
LAYOUT = Layout(names={name: name for name in FIELDS}, required=REQUIRED)

LONGEST_LINE = 1 << 22
"""Characters."""
MOST_VALUES = 1 << 20
"""Values in a line; an empty list takes two bytes in a file and some sixty in memory."""


def read_jsonl(text: str, file: str) -> Iterator[Row]:
    """The prompt of each line, or what is wrong with it; lines without anything are passed over."""
    # Not splitlines: JSON may hold the other characters that end a line.
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LONGEST_LINE:
            message = f"has {len(line):,} characters; a line may have {LONGEST_LINE:,}"
            yield Fault(file=file, line=number, message=message)
        elif line.strip(" \t\r"):
            yield from _read_line(line, file, number)


def _read_line(line: str, file: str, number: int) -> Iterator[Row]:
    try:
        row = parse_text(line, most_values=MOST_VALUES)
    except JsonError as error:
        yield Fault(file=file, line=number, column=error.column, message=str(error))
    else:
        yield from read_row(row, LAYOUT, file, number)
