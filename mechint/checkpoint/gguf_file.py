"""Checking a GGUF file before any library parses it: its header is walked once, and nothing of it is believed unread.

The format, little-endian: ``GGUF``, the version, the numbers of tensors and of metadata entries; the entries (key,
type, value); the tensors (name, dimensions, type, offset); padding; the tensors' bytes, each padded to the alignment.
A string is its length in eight bytes and its text, an array is the type of its items, their number and the items.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

from mechint.checkpoint.kinds import tell_kind
from mechint.checkpoint.opened import OpenedFile, open_unchanged
from mechint.checkpoint.sizes import GGUF_SIZES, find_wrong_size
from mechint.checkpoint.weights import WEIGHT_NAME
from mechint.codes import Code
from mechint.errors import CheckpointError

__all__ = ["check_gguf", "is_gguf"]

_VERSIONS = (2, 3)
_MOST_TENSORS = 100_000
_MOST_ENTRIES = 10_000
_MOST_ITEMS = 5_000_000
"""Items of all arrays together; a vocabulary has some 10^5 tokens in three or four arrays."""
_MOST_DEEP = 3
_LARGEST_HEADER = 256 << 20
_LONGEST_TEXT = 16 << 20
_MOST_DIMENSIONS = 4
_LARGEST_DIMENSION = 1 << 40
_LARGEST_ALIGNMENT = 1 << 20
_KEY = re.compile(r"[A-Za-z0-9][!-~]{0,199}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

_ALIGNMENT = "general.alignment"

_UINT32, _BOOL, _STRING, _ARRAY = 4, 7, 8, 9
# Of the plain types: how struct unpacks one.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", _UINT32: "I", 5: "i", 6: "f", _BOOL: "B", 10: "Q", 11: "q", 12: "d"}
# Of the types of tensors: the values in a block and the bytes that it takes.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 30: (1, 2),  # F32, F16, BF16
    2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),  # Q4_0, Q4_1, Q5_0, Q5_1, Q8_0
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),  # Q2_K to Q6_K
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),  # IQ2_XXS, IQ2_XS, IQ3_XXS, IQ1_S, IQ4_NL
    21: (256, 110), 22: (256, 82), 23: (256, 136), 29: (256, 56),  # IQ3_S, IQ2_S, IQ4_XS, IQ1_M
    34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36),  # TQ1_0, TQ2_0, MXFP4, NVFP4
}  # fmt: skip
"""Those that gguf's Python package can turn into numbers."""


def check_gguf(path: str) -> str:
    """The hex sha256 of a GGUF file that is whole and can be parsed safely.

    Raises CheckpointError for any other, such as one in parts, an adapter, or a file of big-endian machines.
    """
    with open_unchanged(path) as file:
        if tell_kind(path, file.head) != "gguf":
            raise CheckpointError(
                f"{path}: is no GGUF file; it begins like another kind of checkpoint", code=Code.CHECKPOINT
            )
        reader = _Reader(path=path, stream=file.stream, left=min(file.size, _LARGEST_HEADER))
        tensors, entries = _read_counts(reader)
        metadata = _read_metadata(reader, entries)
        _check_metadata(path, metadata)
        _check_tensors(reader, file, tensors, _read_alignment(path, metadata))
        return file.sha256()


def is_gguf(path: str) -> bool:
    """Whether a file begins as GGUF does; False for a folder, and for what cannot be opened, which its reader names."""
    try:
        with open_unchanged(path) as file:
            return file.head.startswith(b"GGUF")
    except CheckpointError:
        return False


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Reads the header forwards, never more than is there."""

    path: str
    stream: BufferedReader
    left: int
    """Bytes that may still be read."""
    at: int = 0
    items: int = 0
    """Of the arrays so far."""

    def take(self, count: int, what: str) -> bytes:
        """The next bytes; ``what`` names them should they be missing."""
        self.skip(count, what)
        raw = self.stream.read(count)
        if len(raw) < count:
            raise CheckpointError(
                f"{self.path}: became shorter while it was being read", code=Code.UNREADABLE_CHECKPOINT
            )
        return raw

    def skip(self, count: int, what: str) -> None:
        """Count bytes as read; the caller moves the stream."""
        if count > self.left:
            raise CheckpointError(
                f"{self.path}: is cut short or damaged: {what} has {count:,} bytes, and at most {self.left:,} are left",
                code=Code.DAMAGED,
            )
        self.left -= count
        self.at += count

    def number(self, form: str, what: str) -> Any:
        """One value as struct unpacks it."""
        return struct.unpack(f"<{form}", self.take(struct.calcsize(form), what))[0]

    def text(self, what: str) -> str:
        """A string: its length and its bytes, in UTF-8."""
        length = self.number("Q", what)
        if length > _LONGEST_TEXT:
            raise CheckpointError(
                f"{self.path}: is damaged: {what} claims a text of {length:,} bytes", code=Code.DAMAGED
            )
        try:
            return self.take(length, what).decode()
        except UnicodeDecodeError:
            raise CheckpointError(f"{self.path}: is damaged: {what} is no UTF-8", code=Code.DAMAGED) from None


def _read_counts(reader: _Reader) -> tuple[int, int]:
    """The numbers of tensors and of metadata entries."""
    path = reader.path
    reader.take(4, "the magic")
    version = reader.number("I", "the version")
    if version and version & 0xFFFF == 0:
        raise CheckpointError(
            f"{path}: is GGUF for big-endian machines, which is not read; convert it", code=Code.CHECKPOINT
        )
    if version not in _VERSIONS:
        raise CheckpointError(f"{path}: is GGUF of version {version:,}; versions 2 and 3 are read", code=Code.DAMAGED)
    tensors, entries = reader.number("Q", "the number of tensors"), reader.number("Q", "the number of entries")
    if not 0 < tensors <= _MOST_TENSORS:
        raise CheckpointError(
            f"{path}: claims {tensors:,} tensors; expected between 1 and {_MOST_TENSORS:,}", code=Code.DAMAGED
        )
    if not 0 < entries <= _MOST_ENTRIES:
        raise CheckpointError(
            f"{path}: claims {entries:,} metadata entries; expected 1 to {_MOST_ENTRIES:,}", code=Code.DAMAGED
        )
    return tensors, entries


def _read_metadata(reader: _Reader, count: int) -> dict[str, Any]:
    """Texts and numbers by their keys; of arrays, those of sizes."""
    metadata: dict[str, Any] = {}
    for _ in range(count):
        key = reader.text("a key of its metadata")
        # gguf's Python package keeps the file's own version and counts under names that begin so.
        if not _KEY.fullmatch(key) or key.startswith("GGUF."):
            raise CheckpointError(
                f"{reader.path}: is damaged: {ascii(key)[:100]} is no key of metadata", code=Code.DAMAGED
            )
        if key in metadata:
            raise CheckpointError(
                f"{reader.path}: has the key {key} twice, so it is damaged or made to mislead", code=Code.DAMAGED
            )
        kind = reader.number("I", key)
        if key == _ALIGNMENT and kind != _UINT32:
            raise CheckpointError(
                f"{reader.path}: is damaged: its {key} is of type {kind:,}, not {_UINT32}", code=Code.DAMAGED
            )
        metadata[key] = _read_value(reader, key, kind)
    return metadata


def _read_value(reader: _Reader, key: str, kind: int) -> Any:
    if kind == _STRING:
        return reader.text(key)
    if kind == _ARRAY:
        return _read_array(reader, key, depth=1)
    value = reader.number(_form(reader.path, key, kind), key)
    if kind == _BOOL and value > 1:
        raise CheckpointError(f"{reader.path}: is damaged: {key} is {value}, neither true nor false", code=Code.DAMAGED)
    if isinstance(value, float) and not math.isfinite(value):
        raise CheckpointError(
            f"{reader.path}: {key} is {value}, which no model can be computed with", code=Code.CHECKPOINT
        )
    return bool(value) if kind == _BOOL else value


def _read_array(reader: _Reader, key: str, depth: int) -> list[Any]:
    """The items of an array of sizes; of any other array they are walked and forgotten."""
    kind, count = reader.number("I", key), reader.number("Q", key)
    reader.items += count
    if reader.items > _MOST_ITEMS:
        raise CheckpointError(
            f"{reader.path}: is damaged: the arrays up to {key} claim {reader.items:,} items", code=Code.DAMAGED
        )
    if kind == _STRING:
        for _ in range(count):
            reader.text(key)
    elif kind == _ARRAY:
        if depth == _MOST_DEEP:
            raise CheckpointError(
                f"{reader.path}: is damaged: {key} has arrays in arrays over {_MOST_DEEP} deep", code=Code.DAMAGED
            )
        for _ in range(count):
            _read_array(reader, key, depth + 1)
    else:
        form = _form(reader.path, key, kind)
        raw = reader.take(count * struct.calcsize(form), key)
        if _size_name(key) in GGUF_SIZES:
            return list(struct.unpack(f"<{count}{form}", raw))
    return []


def _form(path: str, key: str, kind: int) -> str:
    if kind not in _SCALARS:
        raise CheckpointError(
            f"{path}: is damaged: {key} is of type {kind:,}, which GGUF does not have", code=Code.DAMAGED
        )
    return _SCALARS[kind]


def _size_name(key: str) -> str:
    """What a key says of its architecture: ``block_count`` for ``llama.block_count``."""
    return key.partition(".")[2]


def _check_metadata(path: str, metadata: dict[str, Any]) -> None:
    architecture = metadata.get("general.architecture")
    if not isinstance(architecture, str) or not _IDENTIFIER.fullmatch(architecture):
        found = "no general.architecture" if architecture is None else f"the architecture {ascii(architecture)[:60]}"
        raise CheckpointError(f"{path}: has {found}; expected the name of one, such as 'llama'", code=Code.DAMAGED)
    kind = metadata.get("general.type", "model")
    if kind != "model":
        raise CheckpointError(
            f"{path}: holds no model but what its general.type calls {ascii(kind)[:40]}", code=Code.CHECKPOINT
        )
    parts = metadata.get("split.count", 1)
    if parts not in (0, 1):
        raise CheckpointError(
            f"{path}: is one of {ascii(parts)[:20]} parts of a model, which are not read; merge them with "
            "llama-gguf-split --merge",
            code=Code.CHECKPOINT,
        )
    for key, value in metadata.items():
        name = _size_name(key)
        for size in value if isinstance(value, list) else [value]:
            if name in GGUF_SIZES and (wrong := find_wrong_size(name, size, GGUF_SIZES[name])):
                raise CheckpointError(f"{path}: {key} is {wrong}", code=Code.DAMAGED)


def _read_alignment(path: str, metadata: dict[str, Any]) -> int:
    alignment: int = metadata.get(_ALIGNMENT, 32)
    # A power of two has one bit set.
    if not 0 < alignment <= _LARGEST_ALIGNMENT or alignment & (alignment - 1):
        raise CheckpointError(
            f"{path}: is damaged: its {_ALIGNMENT} is {alignment:,}, no power of two that is read", code=Code.DAMAGED
        )
    return alignment


def _check_tensors(reader: _Reader, file: OpenedFile, count: int, alignment: int) -> None:
    """Refuse tensors that do not lie one after the other, in the order of the header, to the end of the file."""
    path = reader.path
    names: set[str] = set()
    at = end = 0
    for _ in range(count):
        name, offset, size = _read_tensor(reader)
        if name in names:
            raise CheckpointError(
                f"{path}: holds two weights named {name}, so it is damaged or made to mislead", code=Code.DAMAGED
            )
        if offset != at:
            raise CheckpointError(
                f"{path}: is damaged: {name} begins at byte {offset:,} of the weights, and the one before it makes "
                f"that {at:,}",
                code=Code.DAMAGED,
            )
        names.add(name)
        end = at + size
        at = _padded(end, alignment)
    start = _padded(reader.at, alignment)
    if not start + end <= file.size <= start + at:
        fault = "is cut short" if file.size < start + end else "has bytes that belong to no weight"
        raise CheckpointError(
            f"{path}: {fault}: its header describes {start + at:,} bytes, and it has {file.size:,}", code=Code.DAMAGED
        )


def _read_tensor(reader: _Reader) -> tuple[str, int, int]:
    """A tensor's name, offset and size in bytes."""
    path, name = reader.path, reader.text("the name of a weight")
    if not WEIGHT_NAME.fullmatch(name):
        raise CheckpointError(f"{path}: {ascii(name)[:100]} is no name of a weight", code=Code.DAMAGED)
    dimensions = reader.number("I", name)
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise CheckpointError(f"{path}: is damaged: {name} claims {dimensions:,} dimensions", code=Code.DAMAGED)
    shape = [reader.number("Q", name) for _ in range(dimensions)]
    kind, offset = reader.number("I", name), reader.number("Q", name)
    if not all(1 <= size <= _LARGEST_DIMENSION for size in shape):
        raise CheckpointError(f"{path}: is damaged: {name} claims the shape {shape}", code=Code.DAMAGED)
    if kind not in _BLOCKS:
        raise CheckpointError(
            f"{path}: {name} is of GGML's type {kind:,}, which is no kind of weight that is read", code=Code.DAMAGED
        )
    values, size = _BLOCKS[kind]
    if shape[0] % values:
        raise CheckpointError(
            f"{path}: is damaged: {name} has rows of {shape[0]:,} values, in blocks of {values}", code=Code.DAMAGED
        )
    return name, offset, math.prod(shape) // values * size


def _padded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
