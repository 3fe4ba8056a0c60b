"""Tokenizers: what turns text into a checkpoint's token ids and back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mechint.checkpoint.files import TOKENIZER_FILES
from mechint.checkpoint.quiet import quiet
from mechint.codes import Code
from mechint.errors import CheckpointError, first_line
from mechint.spec.checkpoints import Reference
from mechint.subject.long_text import byte_counts, read_long, reader_of

if TYPE_CHECKING:
    import numpy.typing as npt
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "BytesTokenizer",
    "FolderTokenizer",
    "Tokenized",
    "Tokenizer",
    "no_tokenizer",
    "read_tokenizer",
    "tokenizer_for",
]

BYTES = "bytes"
_OWN = "the checkpoint's own"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tokenized:
    """The ``n`` tokens of a text."""

    ids: npt.NDArray[np.int32]
    """``[n]``."""
    n_bytes: npt.NDArray[np.int32] | None
    """``[n]``, bytes of UTF-8 that each token stands for, in sum the whole text; None where that is not known."""


class Tokenizer(Protocol):
    """Turns text into token ids and back."""

    @property
    def name(self) -> str:
        """For reports."""
        ...

    @property
    def prefix(self) -> tuple[int, ...]:
        """The ids that it puts before a text of itself, such as that of a beginning-of-text token; often none."""
        ...

    @property
    def bos(self) -> int | None:
        """The id of the token that stands for a text's beginning, if it has one."""
        ...

    def encode(self, text: str) -> list[int]:
        """The text's ids, without special tokens but those that the text itself spells."""
        ...

    def tokenize(self, text: str) -> Tokenized:
        """The same ids, with the bytes that each of them stands for; for texts of any length."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some ids."""
        ...


@dataclass(frozen=True, slots=True)
class BytesTokenizer:
    """A token is a byte of the text's UTF-8."""

    name: str = BYTES
    prefix: tuple[int, ...] = ()
    bos: int | None = None

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def tokenize(self, text: str) -> Tokenized:
        ids = np.frombuffer(text.encode(), np.uint8).astype(np.int32)
        return Tokenized(ids=ids, n_bytes=np.ones_like(ids))

    def decode(self, ids: Sequence[int]) -> str:
        """Ids that are no bytes, and bytes that are no UTF-8, become �."""
        return b"".join(bytes([i]) if i < 256 else b"\xff" for i in ids).decode(errors="replace")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FolderTokenizer:
    """The tokenizer of a Hugging Face folder."""

    name: str
    """The folder as the spec states it, or that it is the checkpoint's own."""
    loaded: PreTrainedTokenizerBase
    prefix: tuple[int, ...]
    bos: int | None

    def encode(self, text: str) -> list[int]:
        return _encode(self.loaded, text)

    def tokenize(self, text: str) -> Tokenized:
        if not self.loaded.is_fast:  # only those know which characters a token stands for
            return Tokenized(ids=np.array(self.encode(text), np.int32), n_bytes=None)
        reading = read_long(reader_of(self.loaded), text)
        return Tokenized(ids=reading.ids, n_bytes=byte_counts(reading, text))

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
        "  hint: state one in the spec: checkpoints: {path: …, tokenizer: a folder, or bytes}",
        code=Code.FACTS,
    )


def read_tokenizer(place: str, name: str | None = None) -> Tokenizer:
    """``bytes``, or the tokenizer of a folder. Raises CheckpointError where there is none that can be read.

    ``name`` is for reports, by default the place.
    """
    if place == BYTES:
        return BytesTokenizer()
    folder = Path(place).expanduser()
    if not folder.is_dir():
        raise CheckpointError(
            f"{place}: is no folder with a tokenizer; a tokenizer is such a folder, or bytes", code=Code.FACTS
        )
    if not _has_tokenizer(folder):
        raise CheckpointError(f"{place}: holds no tokenizer; looked for {', '.join(TOKENIZER_FILES)}", code=Code.FACTS)
    return _load(place, folder, name or place)


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in TOKENIZER_FILES)


def _load(place: str, folder: Path, name: str) -> FolderTokenizer:
    try:
        with quiet():
            from transformers import AutoTokenizer

            loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            return FolderTokenizer(name=name, loaded=loaded, prefix=_prefix(loaded), bos=loaded.bos_token_id)
    # Damaged files and files of kinds that need another package raise whatever their readers raise.
    except Exception as error:
        raise CheckpointError(
            f"{place}: transformers cannot read its tokenizer ({first_line(error)})", code=Code.FACTS
        ) from None


def _prefix(loaded: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The ids that stand before a text's own when special tokens are added."""
    special = set(loaded.all_special_ids)
    # A vocabulary may be small, so the text is one of its own tokens.
    texts = (str(loaded.decode([known])) for known in range(len(loaded)) if known not in special)
    text, own = next(((text, ids) for text in texts if (ids := _encode(loaded, text))), ("", []))
    whole = _encode(loaded, text, special=True)
    starts = range(len(whole) - len(own) + 1)
    return tuple(whole[: next(start for start in starts if whole[start : start + len(own)] == own)])


def _encode(loaded: PreTrainedTokenizerBase, text: str, *, special: bool = False) -> list[int]:
    ids: list[int] = loaded.encode(text, add_special_tokens=special, verbose=False)
    return ids
