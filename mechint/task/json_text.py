"""JSON of data files: read strictly, and with the line and column of what is wrong."""

from __future__ import annotations

import json
from typing import Any

from mechint.checkpoint.strict_json import parse_json
from mechint.errors import CheckpointError

__all__ = ["JsonError", "parse_text"]


class JsonError(ValueError):
    """A text is not JSON with one meaning; says why, as the rest of a sentence."""

    def __init__(self, message: str, line: int = 1, column: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        """1-based, within the text."""
        self.column = column
        """1-based; None where the fault is the text's as a whole."""


def parse_text(text: str, *, most_values: int) -> Any:
    """The value of a JSON text with at most about ``most_values`` values. Raises JsonError.

    NaN and Infinity are read, so that whoever knows the field can refuse them by its name.
    """
    try:
        return parse_json("", text.encode(), most_values=most_values, allow_nan=True)
    except CheckpointError as error:
        message = str(error).strip()
    fault = _find_syntax_fault(text)
    if fault is None:
        raise JsonError(message)
    raise JsonError(f"is no JSON: {fault.msg[:1].lower()}{fault.msg[1:]}", fault.lineno, fault.colno)


def _find_syntax_fault(text: str) -> json.JSONDecodeError | None:
    """Where a text stops being JSON; None where it is refused for another reason."""
    try:
        json.loads(text, parse_int=float)  # a float's digits need no quadratic time
    except json.JSONDecodeError as fault:
        return fault
    except RecursionError:
        return None
    return None
