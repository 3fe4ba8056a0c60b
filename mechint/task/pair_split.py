"""Which rows of a file are searched on and which are judged on; rows with one clean prompt stay together."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import Field

from mechint.codes import Code
from mechint.errors import DataError
from mechint.spec.options import OptionsModel
from mechint.task.prompts import Prompt

__all__ = ["RowCounts", "split_rows", "take_rows"]

FEWEST = 2
"""Rows of a part."""

_Groups = Sequence[Sequence[int]]
"""Numbers of the rows that share a clean prompt."""


class RowCounts(OptionsModel):
    """How many rows."""

    train: Annotated[int, Field(ge=FEWEST)] | None = None
    """Search examples; by default half of a file that is split, or all that are left, and all of a folder's."""
    validation: Annotated[int, Field(ge=FEWEST)] | None = None
    """Held-out examples, faithfulness is measured on these alone; by default all that are left, and all of a
    folder's."""


def split_rows(rows: Sequence[Prompt], counts: RowCounts, seed: int, name: str) -> tuple[list[Prompt], list[Prompt]]:
    """Rows to search on and rows to judge on, drawn by the seed, no clean prompt in both; each in the file's order.

    ``name`` is the file's, for errors. Raises DataError where there are too few.
    """
    groups = _group(rows, seed)
    if counts.train is None and counts.validation is not None:
        heldout, left = _cut(groups, counts.validation)
        search = _flat(left)
    else:
        search, left = _cut(groups, len(rows) // 2 if counts.train is None else counts.train)
        heldout = _flat(left) if counts.validation is None else _cut(left, counts.validation)[0]
    search, heldout = search[: counts.train], heldout[: counts.validation]
    for part, taken, asked in (("train", search, counts.train), ("validation", heldout, counts.validation)):
        if len(taken) < (asked or FEWEST):
            raise DataError(
                f"{name}: its {len(rows):,} rows have {len(groups):,} different clean prompts, which leaves "
                f"{len(taken):,} for task.examples.{part}, where {asked or FEWEST:,} are needed\n"
                "  hint: no clean prompt is both searched and judged on"
            )
    return [rows[number] for number in sorted(search)], [rows[number] for number in sorted(heldout)]


def take_rows(rows: Sequence[Prompt], count: int | None, seed: int, part: str) -> list[Prompt]:
    """As many rows as are asked for, or all, drawn by the seed and in the file's order.

    ``part`` is the key under ``task.examples`` that states the count. Raises DataError where there are too few.
    """
    if len(rows) < (count or FEWEST):
        raise DataError(
            f"task.examples.{part} needs {count or FEWEST:,} rows, and its file has {len(rows):,}", code=Code.TOO_FEW
        )
    drawn = range(len(rows)) if count is None else random.Random(seed).sample(range(len(rows)), count)
    return [rows[number] for number in sorted(drawn)]


def _group(rows: Sequence[Prompt], seed: int) -> _Groups:
    """The rows by their clean prompts, in an order that the seed draws."""
    groups: dict[str | tuple[int, ...], list[int]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(row.clean, []).append(number)
    shuffled = list(groups.values())
    random.Random(seed).shuffle(shuffled)
    return shuffled


def _cut(groups: _Groups, count: int) -> tuple[list[int], _Groups]:
    """Rows of whole groups until there are ``count`` or more, and the groups that are left."""
    taken: list[int] = []
    for number, group in enumerate(groups):
        if len(taken) >= count:
            return taken, groups[number:]
        taken += group
    return taken, []


def _flat(groups: Iterable[Sequence[int]]) -> list[int]:
    return [number for group in groups for number in group]
