"""Reading a safetensors file whose header keeps what the format promises, every byte once.

The format: eight bytes with the length of the header, the header (a JSON object from each tensor's name to its dtype,
shape and the range of its bytes), then the bytes of the tensors. They must follow each other without gap or overlap
to the end of the file, so that one file has one meaning for every reader. It has no checksum: the sha256 is taken of
the very bytes that the tensors get.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

import torch
from torch import Tensor

from mechint.checkpoint.opened import OpenedFile
from mechint.checkpoint.sizes import MOST_WEIGHTS
from mechint.checkpoint.strict_json import parse_json
from mechint.checkpoint.weights import WEIGHT_NAME
from mechint.codes import Code
from mechint.errors import CheckpointError

__all__ = ["read_safetensors"]

_LARGEST_HEADER = 100_000_000
"""The format's own limit."""
_MOST_VALUES = 20 * MOST_WEIGHTS
_MOST_DIMENSIONS = 8
_LARGEST_DIMENSION = 1 << 48
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One tensor as the header describes it."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


def read_safetensors(file: OpenedFile) -> tuple[dict[str, Tensor], dict[str, str], str]:
    """The tensors, each in memory of its own, the texts of the metadata, and the sha256 of the file's bytes.

    Raises CheckpointError where the header breaks a promise, before any tensor is made.
    """
    digest = hashlib.sha256()
    prefix = file.stream.read(8)
    length = int.from_bytes(prefix, "little")
    if not 2 <= length <= min(_LARGEST_HEADER, file.size - 8):
        raise CheckpointError(
            f"{file.path}: says that its header has {length:,} bytes; the file has {file.size:,} and a header at most "
            f"{_LARGEST_HEADER:,}, so it is damaged or cut short",
            code=Code.DAMAGED,
        )
    raw = file.stream.read(length)
    digest.update(prefix + raw)
    header = _parse_header(file.path, raw)
    metadata = _read_metadata(file.path, header.pop("__metadata__", {}))
    entries = [_read_entry(f"{file.path}: {name}", name, entry) for name, entry in header.items()]
    entries.sort(key=lambda entry: (entry.begin, entry.end))
    _refuse_gaps(file.path, entries, file.size - 8 - length)
    tensors = {}
    for entry in entries:
        tensor, data = _make_tensor(entry)
        _fill(file.path, file.stream, data)
        digest.update(data)
        tensors[entry.name] = tensor
    return tensors, metadata, digest.hexdigest()


def _parse_header(path: str, raw: bytes) -> dict[str, Any]:
    header: dict[str, Any] = parse_json(f"{path}: its header", raw, most_values=_MOST_VALUES)
    if len(header) > MOST_WEIGHTS:
        raise CheckpointError(
            f"{path}: holds {len(header):,} weights; expected between 1 and {MOST_WEIGHTS:,}", code=Code.DAMAGED
        )
    return header


def _read_metadata(path: str, metadata: object) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise CheckpointError(f"{path}: its __metadata__ is no object of texts", code=Code.DAMAGED)
    return metadata


def _read_entry(place: str, name: str, entry: object) -> _Entry:
    if not WEIGHT_NAME.fullmatch(name):
        raise CheckpointError(
            f"{place.removesuffix(name)}{ascii(name)[:100]} is no name of a weight", code=Code.DAMAGED
        )
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise CheckpointError(
            f"{place} must have a dtype, a shape and data_offsets, and nothing else", code=Code.DAMAGED
        )
    dtype = _DTYPES.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if dtype is None:
        raise CheckpointError(
            f"{place} is of kind {ascii(entry['dtype'])[:40]}; weights are F64, F32, F16 or BF16, and quantised ones "
            "are not read",
            code=Code.CHECKPOINT,
        )
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _are_sizes(shape, _LARGEST_DIMENSION) or len(shape) > _MOST_DIMENSIONS:
        raise CheckpointError(f"{place} has the shape {ascii(shape)[:60]}, which no weight has", code=Code.DAMAGED)
    if not _are_sizes(offsets, 1 << 62) or len(offsets) != 2:
        raise CheckpointError(
            f"{place} has the data_offsets {ascii(offsets)[:60]}; expected where it begins and ends", code=Code.DAMAGED
        )
    claimed = math.prod(shape) * dtype.itemsize
    if claimed != offsets[1] - offsets[0]:
        raise CheckpointError(
            f"{place} claims {claimed:,} bytes and has {offsets[1] - offsets[0]:,}", code=Code.DAMAGED
        )
    return _Entry(name=name, dtype=dtype, shape=tuple(shape), begin=offsets[0], end=offsets[1])


def _are_sizes(value: object, largest: int) -> bool:
    return isinstance(value, list) and all(type(size) is int and 0 <= size <= largest for size in value)


def _refuse_gaps(path: str, entries: list[_Entry], size: int) -> None:
    """``size`` is that of all tensors' bytes together."""
    at = 0
    for entry in entries:
        if entry.begin != at:
            fault = "overlaps the one before it" if entry.begin < at else "does not follow the one before it"
            raise CheckpointError(
                f"{path}: {entry.name} {fault} (byte {entry.begin:,}, expected {at:,}), so the file is damaged or made "
                "to mislead",
                code=Code.DAMAGED,
            )
        at = entry.end
    if at != size:
        fault = "is cut short" if at > size else "has bytes that belong to no weight"
        raise CheckpointError(
            f"{path}: {fault}: its header describes {at:,} bytes and {size:,} follow it", code=Code.DAMAGED
        )


def _make_tensor(entry: _Entry) -> tuple[Tensor, memoryview]:
    """An empty tensor and its bytes."""
    tensor = torch.empty(entry.shape, dtype=entry.dtype)
    return tensor, tensor.reshape(-1).view(torch.uint8).numpy().data


def _fill(path: str, stream: BufferedReader, data: memoryview) -> None:
    if stream.readinto(data) != len(data):
        raise CheckpointError(
            f"{path}: became shorter while it was being read; wait until its writer is done",
            code=Code.UNREADABLE_CHECKPOINT,
        )
