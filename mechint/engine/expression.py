"""Expressions of ``-k`` and ``-m``, as pytest's: words with ``and``, ``or``, ``not`` and round brackets.

An expression becomes a function of the words that hold, built while it is parsed:

* expression: conjunction (``or`` conjunction)*
* conjunction: negation (``and`` negation)*
* negation: ``not`` negation | ``(`` expression ``)`` | word
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mechint.codes import Code
from mechint.errors import UsageError
from mechint.spec.scalars import quote

__all__ = ["Holds", "parse_expression"]

Holds = Callable[[Callable[[str], bool]], bool]
"""Whether an expression holds, given which words do."""

_TOKEN = re.compile(r"\s*([()]|[\w:+\-.\[\]\\/]+)")
_OPERATORS = ("and", "or", "not", "(", ")")
_DEEPEST = 50


def parse_expression(option: str, text: str) -> Holds:
    """What an expression means; UsageError that names the option and the place where it goes wrong."""
    parser = _Parser(option, text)
    holds = parser.any_of(0)
    parser.finish()
    return holds


class _Parser:
    """Reads one expression from left to right."""

    def __init__(self, option: str, text: str) -> None:
        self._option, self._text = option, text
        self._at = 0

    def any_of(self, depth: int) -> Holds:
        parts = [self._all_of(depth)]
        while self._take("or"):
            parts.append(self._all_of(depth))
        return lambda word: any(part(word) for part in parts)

    def finish(self) -> None:
        if self._peek() or self._text[self._at :].strip():
            raise self._wrong("the end of the expression")

    def _all_of(self, depth: int) -> Holds:
        parts = [self._negation(depth)]
        while self._take("and"):
            parts.append(self._negation(depth))
        return lambda word: all(part(word) for part in parts)

    def _negation(self, depth: int) -> Holds:
        if depth > _DEEPEST:
            raise UsageError(
                f"{self._option} {quote(self._text)}: nested deeper than {_DEEPEST} levels", code=Code.SELECTION
            )
        if self._take("not"):
            negated = self._negation(depth + 1)
            return lambda word: not negated(word)
        if self._take("("):
            inner = self.any_of(depth + 1)
            if not self._take(")"):
                raise self._wrong("')'")
            return inner
        named = self._peek()
        if not named or named in _OPERATORS:
            raise self._wrong("a word, 'not' or '('")
        self._take(named)
        return lambda word: word(named)

    def _peek(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        return match[1] if match else ""

    def _take(self, token: str) -> bool:
        match = _TOKEN.match(self._text, self._at)
        if match is None or match[1] != token:
            return False
        self._at = match.end()
        return True

    def _wrong(self, expected: str) -> UsageError:
        rest = self._text[self._at :].strip()
        found = quote(self._peek() or rest[:1]) if rest else "the end"
        column = len(self._text) - len(self._text[self._at :].lstrip()) + 1
        return UsageError(
            f"{self._option} {quote(self._text)}: column {column}: expected {expected}, found {found}",
            code=Code.SELECTION,
        )
