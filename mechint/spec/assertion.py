"""Assertions as sentences: ``faithfulness >= 0.8``, ``mlp_out.5@last_subject >= 0.05``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from mechint.spec.scalars import UnusableNumberError, quote, resolve_plain
from mechint.spec.values import Assertion

__all__ = ["describe", "parse_assertion", "parse_sentence"]

_BOUNDS = {">=": "at_least", ">": "above", "<=": "at_most", "<": "below"}
_MIRRORED = {"<=": "at_least", "<": "above"}
_WORD = r"[^\s<>=!≤≥]+"
_SIGN = r"[<>=!≤≥]+"
_LOW = rf"(?:(?P<low>{_WORD})\s*(?P<from>{_SIGN})\s*)?"
_SENTENCE = re.compile(rf"{_LOW}(?P<name>{_WORD})\s*(?P<sign>{_SIGN})\s*(?P<bound>{_WORD})")
_PERCENT = re.compile(r"([-+]?[0-9]*\.?[0-9]+)%")


def parse_assertion(text: str) -> Assertion:
    """The assertion that a sentence states; ValueError says what is wrong with it."""
    return Assertion.model_validate(parse_sentence(text))


def parse_sentence(text: str) -> Mapping[str, str | float]:
    """The mapping that a sentence is short for: a measure, a comparison and a number, or ``0.5 <= measure <= 0.9``.

    A name with an ``@`` in it is that of an effect. A share can be written in percent. Raises ValueError for a text of
    another form.
    """
    match = _SENTENCE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{quote(text)} is no assertion; write a measure, >=, >, <= or <, and a number")
    named = "effect" if "@" in match["name"] else "metric"
    parts: dict[str, str | float] = {named: match["name"], _bound(match["sign"], _BOUNDS): _number(match["bound"])}
    if match["low"] is not None:
        if match["sign"] not in _MIRRORED:
            raise ValueError(f"{quote(text)} must rise from left to right: 0.5 <= {match['name']} <= 0.9")
        parts[_bound(match["from"], _MIRRORED)] = _number(match["low"])
    return parts


def describe(assertion: Assertion) -> str:
    """The assertion as the shortest sentence that states it: ``faithfulness >= 0.8``."""
    sure = "" if assertion.confidence is None else f" at {_shortest(round(100 * assertion.confidence, 6))} % confidence"
    if assertion.within is not None:
        return f"{assertion.name} {_range(assertion.within)}{sure}"
    if assertion.max_drop is not None:
        return f"{assertion.metric} no more than {_shortest(assertion.max_drop)} worse than {assertion.baseline}{sure}"
    bounds = {sign: getattr(assertion, name) for sign, name in _BOUNDS.items()}
    given = {sign: _shortest(bound) for sign, bound in bounds.items() if bound is not None}
    if len(given) == 1:
        ((sign, bound),) = given.items()
        return f"{assertion.name} {sign} {bound}{sure}"
    (low_sign, low), (high_sign, high) = given.items()
    return f"{low} {low_sign.replace('>', '<')} {assertion.name} {high_sign} {high}{sure}"


def _range(within: tuple[float | str, ...]) -> str:
    """``within 8 to 16``, or ``at first_subject or last_subject``."""
    numbers = [_shortest(end) for end in within if not isinstance(end, str)]
    return f"within {' to '.join(numbers)}" if numbers else f"at {' or '.join(map(str, within))}"


def _bound(sign: str, known: Mapping[str, str]) -> str:
    if sign not in known:
        raise ValueError(f"unknown comparison {quote(sign)}; use {' or '.join(known)}")
    return known[sign]


def _number(text: str) -> float:
    if percent := _PERCENT.fullmatch(text):
        return float(Decimal(percent[1]) / 100)
    try:
        number = resolve_plain(text)
    except UnusableNumberError as error:
        raise ValueError(str(error)) from None
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError(f"{quote(text)} is not a number to compare with")
    return float(number)


def _shortest(number: float) -> str:
    return repr(number).removesuffix(".0")
