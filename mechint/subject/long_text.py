"""Text of any length by a fast tokenizer, piece by piece: the same ids as of the whole, in a share of its memory.

The tokenizers library keeps some 150 bytes for every byte of a text until the whole of it is done. So a long text is
read in pieces that overlap. Two pieces are joined at a word's beginning in the middle of what they share, and only
where both read all tokens around it alike; a word is what the tokenizer splits a text into before it looks at its
vocabulary, so what follows a word's beginning does not depend on what stands before it. Where two pieces do not meet,
the first is read again, twice as long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    from transformers import PreTrainedTokenizerBase

    Ids = npt.NDArray[np.int32]
    Places = npt.NDArray[np.int64]

__all__ = ["Reading", "byte_counts", "read_long", "reader_of"]

PIECE = 1 << 20
"""Characters that are read at a time."""
SHARED = 1 << 12
"""Characters that two pieces share; the quarters at both ends may be read otherwise than in the whole text."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """The ``n`` tokens of a text, with the characters that each of them stands for."""

    ids: Ids
    starts: Places
    ends: Places
    words: Ids
    """The number of the word that each token is of."""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, tokens: slice) -> Reading:
        """Some of the tokens."""
        return Reading(
            ids=self.ids[tokens], starts=self.starts[tokens], ends=self.ends[tokens], words=self.words[tokens]
        )

    def moved(self, characters: int) -> Reading:
        """The same tokens in a text with so many characters before this one."""
        return Reading(ids=self.ids, starts=self.starts + characters, ends=self.ends + characters, words=self.words)


Reader = Callable[[str], Reading]


def reader_of(loaded: PreTrainedTokenizerBase) -> Reader:
    """What reads a short text by a fast tokenizer."""

    def read(text: str) -> Reading:
        read = loaded(
            text,
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            return_offsets_mapping=True,
            verbose=False,
        )
        spans = np.array(read["offset_mapping"], np.int64).reshape(-1, 2)
        words = [-1 if word is None else word for word in read.word_ids(0)]
        ids = np.array(read["input_ids"], np.int32)
        return Reading(ids=ids, starts=spans[:, 0], ends=spans[:, 1], words=np.array(words, np.int32))

    return read


def read_long(read: Reader, text: str, *, piece: int = PIECE, shared: int = SHARED) -> Reading:
    """The tokens of a text, read in pieces of so many characters of which neighbours share some."""
    done: list[Reading] = []
    start, stop, skipped = 0, piece, 0  # of the piece at hand, and its tokens that the one before it has given
    last = read(text[:stop])
    while stop < len(text):
        following = read(text[stop - shared : stop - shared + piece]).moved(stop - shared)
        meeting = _meeting(last, following, stop - shared + shared // 4, stop - shared // 4)
        if meeting is None:
            stop += stop - start
            last = read(text[start:stop]).moved(start)
            continue
        done.append(last.take(slice(skipped, meeting[0])))
        start, stop, skipped = stop - shared, stop - shared + piece, meeting[1]
        last = following
    return _joined([*done, last.take(slice(skipped, None))])


def byte_counts(reading: Reading, text: str) -> Ids:
    """How many bytes of the text's UTF-8 each token stands for ``[n]``; their sum is the whole text.

    What no token stands for, such as the spaces that some tokenizers drop, counts for the next one, or at the end for
    the last. Tokens that share a character, as where its bytes are tokens, get like shares of it.
    """
    if not len(reading):
        return np.zeros(0, np.int32)
    encoded = np.frombuffer(text.encode(), np.uint8)
    # Where each character begins, and past the last one: a byte 10xxxxxx goes on with a character.
    bytes_at = np.append(np.flatnonzero(encoded & 0xC0 != 0x80), len(encoded))
    starts, ends = bytes_at[reading.starts[1:]], bytes_at[reading.ends[:-1]]
    borders = np.where(starts < ends, _shares(starts, ends), ends)  # between two tokens
    return np.diff(np.maximum.accumulate(borders), prepend=0, append=len(encoded)).astype(np.int32)


def _shares(starts: Places, ends: Places) -> Places:
    """Borders between tokens that share the bytes from ``starts`` to ``ends``: equal parts of them."""
    first = np.ones(len(starts), bool)
    first[1:] = (starts[1:] != starts[:-1]) | (ends[1:] != ends[:-1])
    at = np.flatnonzero(first)  # where a run of borders within the same bytes begins
    number = np.cumsum(first) - 1
    length = np.diff(at, append=len(starts))[number]
    nth = np.arange(len(starts)) - at[number] + 1
    borders: Places = starts + (ends - starts) * nth // (length + 1)
    return borders


def _meeting(last: Reading, following: Reading, begin: int, end: int) -> tuple[int, int] | None:
    """The numbers of one token in two readings where a word begins, if they read ``begin`` to ``end`` alike."""
    a, b = (slice(*np.searchsorted(reading.starts, (begin, end))) for reading in (last, following))
    one, other = last.take(a), following.take(b)
    if len(one) != len(other) or not all(
        np.array_equal(x, y) for x, y in ((one.ids, other.ids), (one.starts, other.starts), (one.ends, other.ends))
    ):
        return None
    begins = np.flatnonzero((np.diff(one.words) != 0) & (np.diff(other.words) != 0)) + 1
    if not len(begins):
        return None
    middle = int(begins[len(begins) // 2])
    return a.start + middle, b.start + middle


def _joined(readings: list[Reading]) -> Reading:
    return Reading(
        ids=np.concatenate([reading.ids for reading in readings]),
        starts=np.concatenate([reading.starts for reading in readings]),
        ends=np.concatenate([reading.ends for reading in readings]),
        words=np.concatenate([reading.words for reading in readings]),
    )
