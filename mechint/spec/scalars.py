"""What a plain YAML word means, by the core schema of YAML 1.2, and how values are named in messages."""

from __future__ import annotations

import math
import re

__all__ = ["Scalar", "UnusableNumberError", "describe_value", "printable", "quote", "resolve_plain", "unprintable_in"]

Scalar = str | int | float | bool | None

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
# A number that begins with a superfluous zero stays a string: 012 is ten to some readers and twelve to others.
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_NULL = ("", "~", "null", "Null", "NULL")
_TRUE = ("true", "True", "TRUE")
_FALSE = ("false", "False", "FALSE")
# Control characters but tab and line feed, and lone surrogates, which no file can hold.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_LONGEST_QUOTE = 60


class UnusableNumberError(ValueError):
    """A number that is not finite or has no place in 64 bits."""


def resolve_plain(text: str) -> Scalar:
    """The value of an unquoted word: ``1e-3`` is a float, ``no``, ``012`` and ``12:30`` are strings."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INT.fullmatch(text):
        return _integer(text)
    if _NOT_FINITE.fullmatch(text):
        raise UnusableNumberError(f"{quote(text)} is not a finite number")
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise UnusableNumberError(f"{quote(text)} is too large for a number")
        return number
    return text


def unprintable_in(text: str) -> str | None:
    """The first character that must not reach a terminal or a file name, as ``U+001B``; None if there is none."""
    match = _UNPRINTABLE.search(text)
    return f"U+{ord(match.group()):04X}" if match else None


def quote(text: str) -> str:
    """What the user typed, in quotes, with unprintable characters escaped and the end of a long text cut off."""
    shown = text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…"
    return f"'{printable(shown)}'"


def printable(text: str) -> str:
    """The text in one line, with everything that would move a terminal's cursor or turn its text around escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def describe_value(value: object) -> str:
    """A value as messages name it: ``the string 'abc'``, ``3.5``, ``true``, ``nothing``, ``a list``."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return f"the string {quote(value)}"
        case int() | float():
            return repr(value)
        case list():
            return "a list"
        case _:
            return "a mapping"


def _integer(text: str) -> int:
    # Twenty digits are enough for 64 bits; int() would take quadratic time over a million of them.
    too_long = len(text) > len("-0x") + 22
    number = 0 if too_long else int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    if too_long or not -(2**63) <= number < 2**63:
        raise UnusableNumberError(f"{quote(text)} does not fit into 64 bits")
    return number
