"""Tokenizers: what turns text into a checkpoint's token ids and back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mechint.checkpoint.quiet import quiet
from mechint.errors import CheckpointError, first_line
from mechint.spec.checkpoints import Reference

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["BytesTokenizer", "FolderTokenizer", "Tokenizer", "no_tokenizer", "read_tokenizer", "tokenizer_for"]

BYTES = "bytes"
_OWN = "the checkpoint's own"
_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt", "tiktoken.model")


class Tokenizer(Protocol):
    """Turns text into token ids and back."""

    @property
    def name(self) -> str:
        """For reports."""
        ...

    def encode(self, text: str) -> list[int]:
        """The text's ids, without special tokens but those that the text itself spells."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some ids."""
        ...


@dataclass(frozen=True, slots=True)
class BytesTokenizer:
    """A token is a byte of the text's UTF-8."""

    name: str = BYTES

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids: Sequence[int]) -> str:
        """Ids that are no bytes, and bytes that are no UTF-8, become �."""
        return b"".join(bytes([i]) if i < 256 else b"\xff" for i in ids).decode(errors="replace")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FolderTokenizer:
    """The tokenizer of a Hugging Face folder."""

    name: str
    """The folder as the spec states it, or that it is the checkpoint's own."""
    loaded: PreTrainedTokenizerBase

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self.loaded.encode(text, add_special_tokens=False, verbose=False)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.loaded.decode(list(ids), clean_up_tokenization_spaces=False))


def tokenizer_for(reference: Reference, folder: str | None, facts: Mapping[str, object]) -> Callable[[], Tokenizer]:
    """What loads a checkpoint's tokenizer, once: the one the spec states, else its own.

    ``folder`` is where the checkpoint's tokenizer may lie, and ``facts`` are those saved in the checkpoint, where
    ``tokenizer: bytes`` says that it was trained on bytes.
    """

    @functools.cache
    def load() -> Tokenizer:
        if reference.tokenizer is not None:
            return read_tokenizer(reference.tokenizer)
        if facts.get("tokenizer") == BYTES:
            return BytesTokenizer()
        if folder is not None and _has_tokenizer(Path(folder)):
            return read_tokenizer(folder, name=_OWN)
        return no_tokenizer()

    return load


def no_tokenizer() -> Tokenizer:
    """Raise CheckpointError."""
    raise CheckpointError(
        "the checkpoint comes without a tokenizer\n"
        "  hint: state one in the spec: checkpoints: {path: …, tokenizer: a folder, or bytes}"
    )


def read_tokenizer(place: str, name: str | None = None) -> Tokenizer:
    """``bytes``, or the tokenizer of a folder. Raises CheckpointError where there is none that can be read.

    ``name`` is for reports, by default the place.
    """
    if place == BYTES:
        return BytesTokenizer()
    folder = Path(place).expanduser()
    if not folder.is_dir():
        raise CheckpointError(f"{place}: is no folder with a tokenizer; a tokenizer is such a folder, or bytes")
    if not _has_tokenizer(folder):
        raise CheckpointError(f"{place}: holds no tokenizer; looked for {', '.join(_FILES)}")
    return FolderTokenizer(name=name or place, loaded=_load(place, folder))


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _FILES)


def _load(place: str, folder: Path) -> PreTrainedTokenizerBase:
    try:
        with quiet():
            from transformers import AutoTokenizer

            loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    # Damaged files and files of kinds that need another package raise whatever their readers raise.
    except Exception as error:
        raise CheckpointError(f"{place}: transformers cannot read its tokenizer ({first_line(error)})") from None
    return loaded
