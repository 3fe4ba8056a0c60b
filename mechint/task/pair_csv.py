"""Prompts as a table in CSV, with the line in the file of every row."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mechint.errors import Fault
from mechint.spec.scalars import quote
from mechint.task.json_text import JsonError, parse_text
from mechint.task.pair_jsonl import FIELDS, REQUIRED
from mechint.task.pair_rows import Layout, Row, read_row

__all__ = ["columns_of", "parse_cell", "read_csv", "read_table"]

MOST_VALUES = 1 << 20
"""Values in a cell."""

_NUMBERS = re.compile(r"\[[-+.,\d\s]*\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """A row of a table, and the line that it begins on."""

    line: int
    cells: Sequence[str]


def read_csv(text: str, file: str) -> Iterator[Row]:
    """The prompt of each row of a table with this project's columns, or what is wrong with it."""
    layout = Layout(names={name: name for name in FIELDS}, required=REQUIRED, decode=_decode)
    yield from read_table(text, file, lambda _: layout)


def columns_of(text: str) -> Sequence[str]:
    """The names in a table's first row; none where it cannot be read."""
    header = next(_read_records(text, ""), None)
    return header.cells if isinstance(header, _Record) else ()


def read_table(text: str, file: str, layout_of: Callable[[Sequence[str]], Layout]) -> Iterator[Row]:
    """The prompt of each row of a table, or what is wrong with it; ``layout_of`` says how tables with a header read.

    A cell without anything is a field that the row does not have.
    """
    records = _read_records(text, file)
    header = next(records, None)
    if not isinstance(header, _Record):
        yield from () if header is None else (header,)
        return
    layout = layout_of(header.cells)
    faults = list(_find_header_faults(header, layout, file))
    yield from faults
    for record in records if not faults else ():
        if isinstance(record, Fault):
            yield record
        elif len(record.cells) != len(header.cells):
            message = f"has {len(record.cells)} cells, and the header has {len(header.cells)}"
            yield Fault(file=file, line=record.line, message=message)
        else:
            filled = {name: cell or None for name, cell in zip(header.cells, record.cells, strict=True)}
            yield from read_row(filled, layout, file, record.line)


def parse_cell(cell: str) -> object:
    """The value of a cell that is JSON. Raises ValueError with what is wrong with it."""
    try:
        value: object = parse_text(cell, most_values=MOST_VALUES)
    except JsonError as error:
        at = "" if error.column is None else f" (character {error.column:,} of the cell)"
        raise ValueError(f"{error}{at}") from None
    return value


def _read_records(text: str, file: str) -> Iterator[_Record | Fault]:
    """The rows of a table that are not blank; a fault is the last, since what follows it has no meaning."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Fault(file=file, line=line, message=f"the row that begins here is no CSV: {error}")
            return
        if cells:
            yield _Record(line=line, cells=cells)


def _find_header_faults(header: _Record, layout: Layout, file: str) -> Iterator[Fault]:
    for message, hint in layout.find_misnamed(header.cells, header.cells, "column"):
        yield Fault(file=file, line=header.line, message=message, hint=hint)
    for name, count in Counter(header.cells).items():
        if count > 1:
            yield Fault(file=file, line=header.line, message=f"has the column {quote(name)} {count:,} times")


def _decode(field: str, cell: str) -> object:
    """A cell's value: text, but for weights and for lists, which are JSON."""
    match field:
        case "weight":
            return _parse_number(cell)
        case "answer" | "distractor":
            return parse_cell(cell) if cell.startswith("[") else cell
        case "clean" | "corrupted" | "subject":
            return parse_cell(cell) if _NUMBERS.fullmatch(cell) else cell
    return cell


def _parse_number(cell: str) -> object:
    try:
        return parse_cell(cell)
    except ValueError:
        return cell  # what stands there is more use in a message than what is wrong with it as JSON
