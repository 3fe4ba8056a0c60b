"""Ranges of token ids, for tasks that need no tokenizer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mechint.errors import DataError

__all__ = ["IdRange", "TokenId", "ids_between"]

TokenId = Annotated[int, Field(ge=0)]
IdRange = tuple[TokenId, TokenId]
"""The first and the last."""


def ids_between(ids: IdRange, n_vocab: int) -> range:
    """The ids from the first to the last. Raises DataError where the model has not all of them."""
    first, last = ids
    if last >= n_vocab:
        raise DataError(f"task.ids ends with {last:,}, and the last of the model's token ids is {n_vocab - 1:,}")
    return range(first, last + 1)
