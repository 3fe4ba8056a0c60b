"""JSON read strictly and within bounds: what two readers could understand in two ways is refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from mechint.codes import Code
from mechint.errors import CheckpointError

__all__ = ["parse_json"]

_LONGEST_NUMBER = 100
"""Digits; converting takes time that grows with their square."""


def parse_json(place: str, raw: bytes, *, most_values: int, allow_nan: bool = False) -> Any:
    """The value of a JSON text in UTF-8 with at most about ``most_values`` values.

    Raises CheckpointError, beginning with ``place``, for anything else, for a key that stands twice in one object and
    for NaN or Infinity, which JSON does not have and Python writes; the latter are read where ``allow_nan``.
    """
    # Counted before parsing: an empty list takes two bytes in the file and some sixty in memory.
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") > most_values:
        raise CheckpointError(f"{place} has more than {most_values:,} values", code=Code.DAMAGED)
    try:
        return json.loads(
            raw.decode(),
            object_pairs_hook=_unique,
            parse_int=_parse_int,
            parse_constant=float if allow_nan else _refuse_constant,
        )
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{place} is no UTF-8 (byte {error.start})", code=Code.DAMAGED) from None
    except RecursionError:
        raise CheckpointError(f"{place} is nested too deeply", code=Code.DAMAGED) from None
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:]
        raise CheckpointError(f"{place} is no JSON: {reason} at character {error.pos:,}", code=Code.DAMAGED) from None
    except ValueError as error:
        raise CheckpointError(f"{place} {error}", code=Code.DAMAGED) from None


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        key = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"has the key {ascii(key)[:100]} twice, so it is damaged or made to mislead")
    return value


def _parse_int(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"has a number of {len(digits):,} digits")
    return int(digits)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"has the value {name}, which is no number")
