"""Places in a method's maps of effects, as specs write them: ``mlp_out.5@last_subject``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mechint.spec.scalars import quote

__all__ = ["EffectPlace", "parse_place"]

_PLACE = re.compile(r"(?P<map>[a-z][a-z_0-9]*)(?:\.(?P<row>[^@]+))?(?:@(?P<column>.+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectPlace:
    """A map of effects, one row or column of it, or a cell."""

    map: str
    row: str | None
    """None for all rows."""
    column: str | None
    """None for all columns."""


def parse_place(text: str) -> EffectPlace:
    """The place that a text names; ValueError for a text of another form."""
    match = _PLACE.fullmatch(text)
    if match is None:
        raise ValueError(f"{quote(text)} is no place in a map of effects; write map.row@column: mlp_out.5@last_subject")
    return EffectPlace(map=match["map"], row=match["row"], column=match["column"])
