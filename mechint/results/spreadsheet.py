"""Tables as CSV that a spreadsheet reads as text and numbers, never as formulas."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence

__all__ = ["csv_text", "inert"]

_FORMULAS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What may begin one; the last four are the wide forms of the first."""


def csv_text(header: Sequence[str], rows: Iterable[Sequence[str | float | None]]) -> str:
    """A header and rows; numbers with all their digits, nothing where there is no number."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    for row in (header, *rows):
        writer.writerow([_cell(value) for value in row])
    return table.getvalue()


def inert(label: str) -> str:
    """A label that a spreadsheet does not take for a formula; names and tokens may be any text."""
    return f"'{label}" if label.startswith(_FORMULAS) else label


def _cell(value: str | float | None) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return inert(value) if isinstance(value, str) else repr(value)
