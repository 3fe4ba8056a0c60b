"""Tokenizers: what turns text into a checkpoint's token ids and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mechint.errors import CheckpointError

__all__ = ["Tokenizer", "no_tokenizer"]


class Tokenizer(Protocol):
    """Turns text into token ids and back."""

    @property
    def name(self) -> str:
        """For reports."""
        ...

    def encode(self, text: str) -> list[int]:
        """The text's ids, without special tokens."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some ids."""
        ...


def no_tokenizer() -> Tokenizer:
    """Raise CheckpointError."""
    raise CheckpointError(
        "the checkpoint comes without a tokenizer\n"
        "  hint: state one in the spec: checkpoints: {path: …, tokenizer: a folder, or bytes}"
    )
