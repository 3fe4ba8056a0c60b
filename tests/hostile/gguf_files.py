"""GGUF files, good and bad, written byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from tests.hostile.safetensors_files import raw_bytes

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
TYPE_F32, TYPE_F16, TYPE_Q4_1, TYPE_I8 = 0, 1, 3, 24

Entry = tuple[bytes, int, bytes]
"""Key, type and value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """One tensor; without an offset it follows the one before it."""

    name: bytes
    shape: Sequence[int] = (3, 2)
    kind: int = TYPE_F32
    offset: int | None = None
    data: bytes = bytes(24)


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def array(kind: int, items: Sequence[bytes], count: int | None = None) -> bytes:
    """An array's value, which may claim another number of items than it has."""
    return struct.pack("<IQ", kind, len(items) if count is None else count) + b"".join(items)


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


ARCHITECTURE: Entry = (b"general.architecture", STRING, text(b"llama"))
BASE: tuple[Entry, ...] = (
    ARCHITECTURE,
    (b"general.type", STRING, text(b"model")),
    (b"llama.block_count", U32, u32(1)),
    (b"llama.attention.layer_norm_rms_epsilon", F32, struct.pack("<f", 1e-5)),
    (b"tokenizer.ggml.add_bos_token", BOOL, b"\1"),
    (b"tokenizer.ggml.tokens", ARRAY, array(STRING, [text(b"a"), text("ä".encode()), text(b"")])),
    (b"tokenizer.ggml.token_type", ARRAY, array(I32, [u32(1)] * 3)),
)
WEIGHTS = (
    Weight(name=b"token_embd.weight", data=raw_bytes(torch.arange(6.0))),
    Weight(name=b"blk.0.attn_q.weight", shape=(32, 2), kind=TYPE_Q4_1, data=b"\0\x3c\0\xbc" + bytes(range(36))),
    Weight(name=b"output_norm.weight", shape=(5,), kind=TYPE_F16, data=raw_bytes(torch.ones(5).half())),
)


def gguf(
    entries: Sequence[Entry] = BASE,
    weights: Sequence[Weight] = WEIGHTS,
    *,
    start: bytes = b"GGUF" + u32(3),
    counts: tuple[int, int] | None = None,
    alignment: int = 32,
    end: bytes = b"",
) -> bytes:
    """A file of these parts; ``counts`` are the numbers of weights and entries that it claims."""
    header = start + struct.pack("<QQ", *(counts or (len(weights), len(entries))))
    header += b"".join(text(key) + u32(kind) + value for key, kind, value in entries)
    data = b""
    for weight in weights:
        offset = len(data) if weight.offset is None else weight.offset
        header += text(weight.name) + u32(len(weight.shape)) + struct.pack(f"<{len(weight.shape)}Q", *weight.shape)
        header += u32(weight.kind) + struct.pack("<Q", offset)
        data += weight.data + bytes(-len(weight.data) % alignment)
    return header + bytes(-len(header) % alignment) + data + end


def good() -> bytes:
    return gguf()


def _with(key: bytes, kind: int, value: bytes) -> Callable[[], bytes]:
    return lambda: gguf([*BASE, (key, kind, value)])


def _of(**changes: object) -> Callable[[], bytes]:
    return lambda: gguf(weights=[Weight(**{"name": b"a", **changes})])  # type: ignore[arg-type]


def _start(start: bytes) -> Callable[[], bytes]:
    return lambda: gguf(start=start)


def _nested(depth: int) -> bytes:
    return array(ARRAY, [_nested(depth - 1)]) if depth else array(U8, [b"\1"])


BAD: Mapping[str, tuple[Callable[[], bytes], str]] = {
    # The start
    "only the magic": (lambda: b"GGUF", "is cut short or damaged: the version"),
    "version 1": (_start(b"GGUF" + u32(1)), "is GGUF of version 1; versions 2 and 3 are read"),
    "version 2^31": (_start(b"GGUF\1\0\0\x80"), "is GGUF of version 2,147,483,649"),
    "version 0": (_start(b"GGUF" + u32(0)), "is GGUF of version 0"),
    "big-endian": (_start(b"GGUF\0\0\0\3"), "for big-endian machines"),
    "2^63 weights": (lambda: gguf(counts=(1 << 63, 7)), "claims 9,223,372,036,854,775,808 tensors"),
    "2^63 entries": (lambda: gguf(counts=(3, 1 << 63)), "metadata entries; expected 1 to 10,000"),
    "no weights": (lambda: gguf(weights=[]), "claims 0 tensors"),
    "no entries": (lambda: gguf([]), "claims 0 metadata entries"),
    "one entry too many": (lambda: gguf(counts=(3, len(BASE) + 1)), "is damaged"),
    "one weight too many": (lambda: gguf(counts=(4, len(BASE))), "is no name of a weight"),
    # Keys and values
    "a key beyond the file": (lambda: gguf([(b"", U8, b"")])[:24] + struct.pack("<Q", 10**6), "is cut short or"),
    "a key of 2^63 bytes": (lambda: gguf()[:24] + struct.pack("<Q", 1 << 63), "claims a text of 9,223,372"),
    "an empty key": (_with(b"", U8, b"\0"), "'' is no key of metadata"),
    "a key with a line break": (_with(b"a\nb", U8, b"\0"), "'a\\nb' is no key of metadata"),
    "a key that is no UTF-8": (_with(b"\xff", U8, b"\0"), "a key of its metadata is no UTF-8"),
    "a key of the reader's own": (_with(b"GGUF.version", U8, b"\0"), "'GGUF.version' is no key of metadata"),
    "one key twice": (_with(*ARCHITECTURE), "has the key general.architecture twice"),
    "type 13": (_with(b"a.b", 13, b"\0"), "a.b is of type 13, which GGUF does not have"),
    "a text beyond the file": (_with(b"a.b", STRING, struct.pack("<Q", 10**6) + b"x"), "a.b has 1,000,000 bytes"),
    "a text of 2^63 bytes": (_with(b"a.b", STRING, struct.pack("<Q", 1 << 63)), "a.b claims a text of"),
    "a text that is no UTF-8": (_with(b"a.b", STRING, text(b"\xc3")), "a.b is no UTF-8"),
    "half true": (_with(b"a.b", BOOL, b"\2"), "a.b is 2, neither true nor false"),
    "NaN": (_with(b"llama.rope.freq_base", F32, struct.pack("<f", float("nan"))), "freq_base is nan"),
    "infinity": (_with(b"llama.rope.freq_base", F64, struct.pack("<d", float("inf"))), "freq_base is inf"),
    # Arrays
    "an array of 10^12 items": (_with(b"a.b", ARRAY, array(U8, [], 10**12)), "claim 1,000,000,000,006 items"),
    "an array of 2^63 texts": (_with(b"a.b", ARRAY, array(STRING, [], 1 << 63)), "the arrays up to a.b claim"),
    "an array beyond the file": (_with(b"a.b", ARRAY, array(U64, [], 10**6)), "a.b has 8,000,000 bytes"),
    "texts beyond the file": (_with(b"a.b", ARRAY, array(STRING, [text(b"x")], 10**6)), "is damaged"),
    "a token that is no UTF-8": (_with(b"a.b", ARRAY, array(STRING, [text(b"\xc3")])), "a.b is no UTF-8"),
    "an array of type 99": (_with(b"a.b", ARRAY, array(99, [b"\0"])), "a.b is of type 99"),
    "arrays 2 000 deep": (_with(b"a.b", ARRAY, _nested(900)), "arrays in arrays over 3 deep"),
    "arrays that multiply": (_with(b"a.b", ARRAY, array(ARRAY, [array(U8, [b""], 0)] * 9, 4_999_999)), "is damaged"),
    "many arrays": (
        lambda: gguf([(b"k%d" % i, ARRAY, array(U8, [bytes(10**6)], 10**6)) for i in range(6)]),
        "the arrays up to k5 claim 6,000,000 items",
    ),
    # What the metadata says
    "no architecture": (lambda: gguf(BASE[1:]), "has no general.architecture"),
    "an architecture that is a number": (lambda: gguf([(ARCHITECTURE[0], U32, u32(1))]), "has the architecture 1"),
    "an architecture that is a path": (
        lambda: gguf([(ARCHITECTURE[0], STRING, text(b"../../evil"))]),
        "has the architecture '../../evil'",
    ),
    "an adapter": (lambda: gguf([ARCHITECTURE, (b"general.type", STRING, text(b"adapter"))]), "calls 'adapter'"),
    "one of three parts": (_with(b"split.count", U16, b"\3\0"), "is one of 3 parts of a model"),
    "parts of a list": (_with(b"split.count", ARRAY, array(U8, [b"\1"])), "parts of a model"),
    "10^9 layers": (
        lambda: gguf([ARCHITECTURE, (b"llama.block_count", U32, u32(10**9))]),
        "llama.block_count is 1000000000; the sizes that are read lie between 1 and 1,000",
    ),
    "a negative width": (
        _with(b"llama.embedding_length", I32, struct.pack("<i", -1)),
        "llama.embedding_length is -1; the sizes",
    ),
    "a width that is a text": (_with(b"llama.embedding_length", STRING, text(b"64")), "'64', which is no whole number"),
    "a width that is a flag": (_with(b"llama.embedding_length", BOOL, b"\1"), "True, which is no whole number"),
    "heads by layer, one of them huge": (
        _with(b"llama.attention.head_count_kv", ARRAY, array(U32, [u32(3), u32(1 << 31)])),
        "llama.attention.head_count_kv is 2147483648",
    ),
    "a vocabulary of 2^60": (_with(b"llama.vocab_size", U64, struct.pack("<Q", 1 << 60)), "llama.vocab_size is"),
    "alignment 0": (_with(b"general.alignment", U32, u32(0)), "general.alignment is 0, no power of two"),
    "alignment 48": (_with(b"general.alignment", U32, u32(48)), "general.alignment is 48, no power of two"),
    "alignment 2^31": (_with(b"general.alignment", U32, u32(1 << 31)), "no power of two"),
    "alignment that is a text": (
        _with(b"general.alignment", STRING, text(b"32")),
        "its general.alignment is of type 8, not 4",
    ),
    "alignment in eight bytes": (
        _with(b"general.alignment", U64, struct.pack("<Q", 32)),
        "its general.alignment is of type 10, not 4",
    ),
    # Weights
    "a name twice": (
        lambda: gguf(weights=[Weight(name=b"a"), Weight(name=b"a")]),
        "two weights named a, so it is damaged",
    ),
    "a name with a line break": (_of(name=b"a\nb"), "'a\\nb' is no name of a weight"),
    "a name that is no UTF-8": (_of(name=b"\xff"), "the name of a weight is no UTF-8"),
    "an empty name": (_of(name=b""), "'' is no name of a weight"),
    "no dimensions": (_of(shape=()), "a claims 0 dimensions"),
    "five dimensions": (_of(shape=(6, 1, 1, 1, 1)), "a claims 5 dimensions"),
    "a dimension of 0": (_of(shape=(0, 2), data=b""), "a claims the shape [0, 2]"),
    "a dimension of 2^63": (_of(shape=(1 << 63, 2)), "a claims the shape [9223372036854775808, 2]"),
    "dimensions that overflow to 6": (_of(shape=(1 << 32, 1 << 32, 6)), "is cut short"),
    "10^12 values": (_of(shape=(10**6, 10**6)), "is cut short: its header describes 4,000,0"),
    "type 99": (_of(kind=99), "a is of GGML's type 99"),
    "int8": (_of(kind=TYPE_I8, shape=(24,)), "a is of GGML's type 24"),
    "rows that are no blocks": (_of(kind=TYPE_Q4_1, shape=(31, 2)), "rows of 31 values, in blocks of 32"),
    "an offset beyond the file": (_of(offset=1 << 40), "a begins at byte 1,099,511,627,776 of the weights"),
    "an offset off the alignment": (
        lambda: gguf(weights=[WEIGHTS[0], Weight(name=b"b", offset=24)]),
        "b begins at byte 24 of the weights, and the one before it makes that 32",
    ),
    "two weights on the same bytes": (lambda: gguf(weights=[WEIGHTS[0], Weight(name=b"b", offset=0)]), "b begins"),
    "a gap": (lambda: gguf(weights=[WEIGHTS[0], Weight(name=b"b", offset=64)]), "b begins at byte 64"),
    "weights cut short": (lambda: gguf()[:-40], "is cut short: its header describes"),
    "bytes of no weight": (lambda: gguf(end=bytes(32)), "has bytes that belong to no weight"),
    "an archive at its end": (lambda: gguf(end=b"PK\3\4" + bytes(99)), "has bytes that belong to no weight"),
}
