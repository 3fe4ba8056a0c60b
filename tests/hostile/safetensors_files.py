"""Safetensors files, good and bad, written byte by byte: no writer would make the bad ones."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from tests.hostile.archives import reduce_payload, saved
from tests.tiny import random_model

DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64"}
DTYPES |= {torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL"}


def raw_bytes(tensor: Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def of_header(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    """A file with this header, whatever it says, and with another length of it where one is given."""
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def of_entries(entries: Mapping[str, Any], size: int = 0) -> bytes:
    """A file whose header has these entries, over zeros."""
    return of_header(json.dumps(entries).encode(), bytes(size))


def of_tensors(weights: Mapping[str, Tensor], **metadata: str) -> bytes:
    """A good file, with its tensors in the order of the mapping."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, tensor in weights.items():
        raw = raw_bytes(tensor)
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": offsets}
        data += raw
    return of_header(json.dumps(header).encode(), data)


def good() -> bytes:
    """The tiny model with the one fact that its weights do not show."""
    return of_tensors(random_model().state_dict(), n_head="2", iter_num="7", format="pt")


def entry(dtype: object = "F32", shape: object = (2, 3), begin: object = 0, end: object = 24) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def _one(size: int = 24, **changes: object) -> Callable[[], bytes]:
    return lambda: of_entries({"a": entry(**changes)}, size)


def _two(begin: int, end: int, size: int) -> Callable[[], bytes]:
    return lambda: of_entries({"a": entry(), "b": entry(begin=begin, end=end)}, size)


def _holding(value: float, dtype: torch.dtype) -> Callable[[], bytes]:
    def make() -> bytes:
        weight = torch.ones(3, 5)
        weight[1, 2] = value
        return of_tensors({"a": torch.ones(2), "b": weight.to(dtype)})

    return make


def _header(text: str, size: int = 24) -> Callable[[], bytes]:
    return lambda: of_header(text.encode("utf-8", "surrogatepass"), bytes(size))


ONE = '{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}'

BAD: Mapping[str, tuple[Callable[[], bytes], str]] = {
    # The header's length and text
    "a header beyond the file": (lambda: of_header(b"{}", length=1000), "says that its header has 1,000 bytes"),
    "a header of 2^55 bytes": (lambda: of_header(b"{}", length=1 << 55), "so it is damaged or cut short"),
    "a header over the limit": (lambda: of_header(b"{}", length=100_000_001), "a header at most 100,000,000"),
    "a header of one byte": (lambda: of_header(b"{}", length=1), "says that its header has 1 bytes"),
    "only the length": (lambda: of_header(b"")[:8], "zeros only"),
    "cut in the header": (lambda: good()[:100], "damaged or cut short"),
    "no JSON": (_header("{weights}"), "its header is no JSON"),
    "single quotes": (_header(str({"a": entry()})), "its header is no JSON"),
    "JSON and more": (_header(f'{{"a":{ONE}}} {{}}'), "its header is no JSON: extra data"),
    "no UTF-8": (lambda: of_header(b'{"\xff":0}', bytes(24)), "its header is no UTF-8 (byte 2)"),
    "UTF-16": (lambda: of_header('{"a":0}'.encode("utf-16-le")), "is no JSON"),
    "NaN in the header": (_header('{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,24]}}'), "the value NaN"),
    "a number of 5 000 digits": (_header('{"a":' + "9" * 5000 + "}"), "a number of 5,000 digits"),
    "nested lists": (_header('{"a":' + "[" * 100_000), "nested too deeply"),
    "nested objects": (_header('{"a":' * 100_000), "nested too deeply"),
    "millions of empty lists": (_header('{"a":[' + "[]," * 3_000_000 + "[]]}"), "more than 2,000,000 values"),
    # What the header says
    "no weights": (_header("{}", 0), "holds 0 weights"),
    "100 001 weights": (
        _header("{" + ",".join(f'"{i}":{{}}' for i in range(100_001)) + "}"),
        "holds 100,001 weights",
    ),
    "one name twice": (_header(f'{{"a":{ONE},"a":{ONE}}}'), "has the key 'a' twice"),
    "one entry's key twice": (_header(f'{{"a":{ONE[:-1]},"shape":[6]}}}}'), "has the key 'shape' twice"),
    "an entry that is a list": (_header('{"a":[0,24]}'), "must have a dtype, a shape and data_offsets"),
    "no dtype": (_header('{"a":{"shape":[2,3],"data_offsets":[0,24]}}'), "must have a dtype, a shape"),
    "another key": (_header(f'{{"a":{ONE[:-1]},"device":"cuda"}}}}'), "and nothing else"),
    "float8": (_one(6, dtype="F8_E4M3", end=6), "a is of kind 'F8_E4M3'"),
    "a dtype that is a number": (_one(dtype=3), "a is of kind 3"),
    "a dtype that is a list": (_one(dtype=["F32"]), "a is of kind ['F32']"),
    "a negative shape": (_one(shape=[-2, -3]), "a has the shape [-2, -3]"),
    "a fractional shape": (_one(shape=[2.0, 3.0]), "a has the shape [2.0, 3.0]"),
    "a shape of flags": (_one(shape=[True, 6]), "a has the shape [True, 6]"),
    "a shape that is a text": (_one(shape="23"), "a has the shape '23'"),
    "a hundred dimensions": (_one(shape=[1] * 98 + [2, 3]), "which no weight has"),
    "10^12 values": (_one(shape=[10**6, 10**6]), "a claims 4,000,000,000,000 bytes and has 24"),
    "a size beyond 64 bits": (_one(shape=[1 << 32, 1 << 32]), "claims 73,786,976,294,838,206,464 bytes"),
    "0 by 10^30": (_one(0, shape=[0, 10**30], end=0), "which no weight has"),
    "fewer values than bytes": (_one(shape=[5]), "a claims 20 bytes and has 24"),
    "offsets that turn back": (_one(begin=24, end=0), "a claims 24 bytes and has -24"),
    "negative offsets": (_one(begin=-24), "a has the data_offsets [-24, 24]"),
    "offsets beyond 64 bits": (_one(begin=1 << 70, end=(1 << 70) + 24), "a has the data_offsets"),
    "three offsets": (_header('{"a":{"dtype":"F32","shape":[6],"data_offsets":[0,12,24]}}'), "where it begins and"),
    "offsets that are texts": (_one(begin="0"), "a has the data_offsets ['0', 24]"),
    # Where the bytes lie
    "two weights on the same bytes": (_two(0, 24, 24), "b overlaps the one before it"),
    "weights that overlap": (_two(12, 36, 36), "b overlaps the one before it (byte 12, expected 24)"),
    "a gap": (_two(32, 56, 56), "b does not follow the one before it"),
    "a gap at the start": (_one(32, begin=8, end=32), "a does not follow"),
    "bytes beyond the file": (_two(24, 48, 40), "is cut short: its header describes 48 bytes and 40 follow it"),
    "no bytes": (_one(0), "is cut short"),
    "bytes of no weight": (_one(25), "has bytes that belong to no weight"),
    "an archive at its end": (lambda: good() + saved({"a": torch.ones(2)}), "has bytes that belong to no weight"),
    # Names and metadata
    "a name with a line break": (_header(f'{{"a\\nb":{ONE}}}'), "'a\\nb' is no name of a weight"),
    "a name that colours a terminal": (_header(f'{{"\\u001b[31m":{ONE}}}'), "'\\x1b[31m' is no name of a weight"),
    "half a character as a name": (_header(f'{{"\\ud800":{ONE}}}'), "'\\ud800' is no name of a weight"),
    "an empty name": (_header(f'{{"":{ONE}}}'), "'' is no name of a weight"),
    "a name of 10 000 letters": (_header(f'{{"{"x" * 10_000}":{ONE}}}'), "is no name of a weight"),
    "metadata of numbers": (_header(f'{{"__metadata__":{{"n_head":2}},"a":{ONE}}}'), "no object of texts"),
    "metadata that is a list": (_header(f'{{"__metadata__":[],"a":{ONE}}}'), "no object of texts"),
    # What no weight is
    "NaN": (_holding(float("nan"), torch.float32), "b has 1 of 15 values that are NaN"),
    "infinity": (_holding(float("inf"), torch.float64), "b has 1 of 15 values that are NaN or infinite"),
    "float16 beyond its range": (_holding(1e6, torch.float16), "b has 1 of 15 values"),
    "negative infinity in bfloat16": (_holding(float("-inf"), torch.bfloat16), "b has 1 of 15 values"),
    "int8": (lambda: of_tensors({"a": torch.ones(3, dtype=torch.int8)}), "a is of kind int8"),
    "half true": (lambda: of_header(b'{"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}', b"\2"), "neither true"),
    "one name under two prefixes": (
        lambda: of_tensors({"a": torch.ones(2), "module.a": torch.ones(2)}),
        "two weights named a, under different prefixes",
    ),
}


def payload_behind_a_header(canary: Any) -> bytes:
    """A pickle that runs where the weights should be, with a header that describes it as bytes."""
    pickled = reduce_payload(canary, 2)
    return of_header(json.dumps({"a": entry("U8", [len(pickled)], 0, len(pickled))}).encode(), pickled)
