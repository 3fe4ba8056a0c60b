"""The order in which people count: V2 before V10, layer 2 before layer 10."""

from __future__ import annotations

import re

__all__ = ["natural_key"]

_DIGITS = re.compile("([0-9]+)")


def natural_key(text: str) -> tuple[tuple[str, int, str], ...]:
    """A sort key under which runs of digits compare as numbers and everything else as text.

    ``sorted(["V10", "V2"], key=natural_key)`` is ``["V2", "V10"]``. Different texts never have equal keys.
    """
    pieces = _DIGITS.split(text)  # words at even places, digits at odd ones
    words, digits = pieces[::2], [*pieces[1::2], ""]
    # Without its zeros a number is larger when it is longer, so no digit string is ever too long to convert.
    pairs = [(word, number.lstrip("0")) for word, number in zip(words, digits, strict=True)]
    key = [(word, len(number), number) for word, number in pairs]
    return (*key, (text, 0, ""))
