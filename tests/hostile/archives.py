"""Files of torch.save, and what passes for one: damaged, malicious or of something else than weights."""

from __future__ import annotations

import argparse
import io
import pickle
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mechint.subject.nanogpt import GPT
from tests.tiny import random_model

Edit = Callable[[dict[str, bytes]], None]


def saved(content: object) -> bytes:
    """What torch.save writes for a value."""
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def checkpoint_of(model: GPT | None = None, **changes: object) -> dict[str, object]:
    """The content of a good checkpoint of a tiny model, in the older tool's layout."""
    model = model or random_model()
    config = argparse.Namespace(n_head=model.config.n_head, seed=1)
    return {"model": model.state_dict(), "iter_num": 7, "best_val_loss": 1.5, "config": config, **changes}


def good() -> bytes:
    return saved(checkpoint_of())


def rezipped(content: bytes, edit: Edit) -> bytes:
    """The archive with its records edited and its checksums right again."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    edit(records)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, record in records.items():
            archive.writestr(name, record)
    return stream.getvalue()


def with_pickle(pickled: bytes) -> bytes:
    """A good archive whose description is another pickle."""
    return rezipped(good(), lambda records: records.update({"archive/data.pkl": pickled}))


def with_weights(**weights: object) -> bytes:
    """A good checkpoint with weights replaced; ``wte`` and the like are short for their names."""
    state = random_model().state_dict()
    state.update({f"transformer.{name}.weight": value for name, value in weights.items()})
    return saved(checkpoint_of(model=None) | {"model": state})


# Files that are no archives


def tar_of_payload(canary: Path) -> bytes:
    """What torch saved before 0.1.10, with a payload as its pickle."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        payload = reduce_payload(canary, 2)
        member = tarfile.TarInfo("pickle")
        member.size = len(payload)
        archive.addfile(member, io.BytesIO(payload))
    return stream.getvalue()


def _legacy(content: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


FILES: Mapping[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "zeros": lambda: bytes(5000),
    "text": lambda: b"these are not the weights\n" * 50,
    "utf-8 text": lambda: "Gewichte für später\n".encode() * 50,
    "Git LFS pointer": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:12ab\nsize 12345\n",
    "web page": lambda: b"\n<!DOCTYPE html>\n<html><title>404</title></html>",
    "gzip": lambda: b"\x1f\x8b\x08" + bytes(100) + b"x",
    "HDF5": lambda: b"\x89HDF\r\n\x1a\n" + bytes(range(256)),
    "GGUF": lambda: b"GGUF" + bytes(range(256)),
    "noise": lambda: bytes(range(1, 256)) * 9,
    "only the magic": lambda: b"PK\x03\x04",
    "empty zip": lambda: b"PK\x05\x06" + bytes(18),
    "legacy torch": lambda: _legacy(checkpoint_of()),
}

# Archives that are cut, altered or ambiguous


def _zip_of(records: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, record in records.items():
            archive.writestr(name, record)
    return stream.getvalue()


def _records(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _twice_named() -> bytes:
    records = {**_records(good()), "archive/data.pkX": pickle.dumps({}, 2)}
    return _zip_of(records).replace(b"archive/data.pkX", b"archive/data.pkl")


def _encrypted() -> bytes:
    content = bytearray(good())
    at = content.find(b"PK\x01\x02")
    content[at + 8] |= 1
    return bytes(content)


def _claims_more_values() -> bytes:
    """The description says 10^9 values where the record has eleven rows of eight."""

    def enlarge(records: dict[str, bytes]) -> None:
        count = b"K" + bytes([88])  # 11 * 8 values, as one byte
        assert count in records["archive/data.pkl"]
        records["archive/data.pkl"] = records["archive/data.pkl"].replace(count, b"J" + struct.pack("<i", 10**9))

    return rezipped(good(), enlarge)


ARCHIVES: Mapping[str, Callable[[], bytes]] = {
    "compressed": lambda: _zip_of(_records(good()), zipfile.ZIP_DEFLATED),
    "deflate bomb": lambda: _zip_of({**_records(good()), "archive/data/0": bytes(50 << 20)}, zipfile.ZIP_DEFLATED),
    "two records with one name": _twice_named,
    "encrypted": _encrypted,
    "behind another zip": lambda: _zip_of({"archive/data.pkl": b"\x80\x02}."}) + good(),
    "with bytes before it": lambda: b"#!/bin/sh\n" + good(),
    "no data.pkl": lambda: rezipped(good(), lambda records: records.pop("archive/data.pkl") and None),
    "no record of a weight": lambda: rezipped(good(), lambda records: records.pop("archive/data/0") and None),
    "a short record": lambda: rezipped(good(), lambda records: records.update({"archive/data/0": bytes(8)})),
    "two folders": lambda: rezipped(good(), lambda records: records.update({"other/data.pkl": b"\x80\x02}."})),
    "any zip": lambda: _zip_of({"readme.txt": b"hello"}),
    "more values than its record": _claims_more_values,
    "no STOP": lambda: with_pickle(b"\x80\x02}"),
    "stack underflow": lambda: with_pickle(b"\x80\x02R."),
    "unset memo": lambda: with_pickle(b"\x80\x02h\x07."),
}

# Pickles that would run code, in every form that the format has


def reduce_payload(canary: Path, protocol: int) -> bytes:
    """``os.system("touch canary")`` as Python itself pickles it."""
    return pickle.dumps(Runs(canary), protocol)


class Runs:
    """A value that touches a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        import os

        return (os.system, (f"touch {self.canary}",))


def _text(value: object) -> bytes:
    raw = str(value).encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _touch(canary: Path) -> bytes:
    return _text(f"touch {canary}")


_IN_A_DICT = b"\x80\x02}X\x05\x00\x00\x00model"

PAYLOADS: Mapping[str, Callable[[Path], bytes]] = {
    **{f"REDUCE protocol {p}": (lambda canary, p=p: reduce_payload(canary, p)) for p in range(6)},
    "GLOBAL REDUCE": lambda c: b"\x80\x02cos\nsystem\n" + _touch(c) + b"\x85R.",
    "posix": lambda c: b"\x80\x02cposix\nsystem\n" + _touch(c) + b"\x85R.",
    "in a dictionary": lambda c: _IN_A_DICT + b"cos\nsystem\n" + _touch(c) + b"\x85Rs.",
    "STACK_GLOBAL": lambda c: b"\x80\x04" + _text("os") + _text("system") + b"\x93" + _touch(c) + b"\x85R.",
    "STACK_GLOBAL through the memo": lambda c: (
        b"\x80\x04" + _text("os") + b"\x94" + _text("system") + b"\x940h\x00h\x01\x93" + _touch(c) + b"\x85R."
    ),
    "INST": lambda c: b"(S'touch " + str(c).encode() + b"'\nios\nsystem\n.",
    "OBJ": lambda c: b"(cos\nsystem\n" + _touch(c) + b"o.",
    "NEWOBJ": lambda c: b"\x80\x02csubprocess\nPopen\n" + _touch(c) + b"\x85\x81.",
    "NEWOBJ_EX": lambda c: b"\x80\x04csubprocess\nPopen\n" + _touch(c) + b"\x85}\x92.",
    "BUILD": lambda c: (
        b"\x80\x02cargparse\nNamespace\n)\x81}" + _text("__setstate__") + b"cos\nsystem\nsb" + _touch(c) + b"b."
    ),
    "eval": lambda c: b"\x80\x02cbuiltins\neval\n" + _text(f"open({str(c)!r},'w')") + b"\x85R.",
    "py2 builtins": lambda c: b"\x80\x02c__builtin__\nopen\n" + _text(c) + _text("w") + b"\x86R.",
    "dotted name": lambda c: b"\x80\x02ctorch\nserialization.os.system\n" + _touch(c) + b"\x85R.",
    "through getattr": lambda c: (
        b"\x80\x02cbuiltins\ngetattr\ncargparse\n_os\n" + _text("system") + b"\x86R" + _touch(c) + b"\x85R."
    ),
    "hub": lambda c: b"\x80\x02ctorch.hub\nload\n" + _text(c.parent) + _text("x") + b"\x86R.",
    "EXT": lambda c: b"\x80\x02\x82\x01" + _touch(c) + b"\x85R.",
    "after a good value": lambda c: b"\x80\x02}0cos\nsystem\n" + _touch(c) + b"\x85R.",
    "sparse constructor": lambda c: b"\x80\x02ctorch._utils\n_rebuild_sparse_tensor\n)R.",
    "bytearray bomb": lambda c: b"\x80\x02cbuiltins\nbytearray\n\x8a\x05\x00\xe4\x0b\x54\x02\x85R.",
    "tensor constructor bomb": lambda c: b"\x80\x02ctorch\nFloatTensor\n\x8a\x05\x00\xe4\x0b\x54\x02\x85R.",
}  # fmt: skip

# Values that torch.save writes and that are no weights or plain facts


@dataclass
class Settings:
    n_head: int = 2


OBJECTS: Mapping[str, Callable[[], bytes]] = {
    "a whole model": lambda: saved(random_model()),
    "a whole model under model": lambda: saved({"model": random_model()}),
    "a path": lambda: saved(checkpoint_of(config={"n_head": 2, "out": Path("x")})),
    "a dataclass": lambda: saved(checkpoint_of(config=Settings())),
    "a numpy number": lambda: saved(checkpoint_of(best_val_loss=np.float64(1.5))),
    "a numpy generator": lambda: saved(checkpoint_of(rng=np.random.default_rng(0))),
    "a list": lambda: saved([1, 2]),
    "a number": lambda: saved(3),
    "an empty dictionary": lambda: saved({}),
    "no weights": lambda: saved({"iter_num": 3, "config": {}}),
    "two models": lambda: saved(checkpoint_of(state_dict=random_model().state_dict())),
    "an analysis": lambda: saved({"transformer.h.0.attn": {"mask": torch.ones(2, 4), "sparsity": 0.5}}),
    "a number among the weights": lambda: with_weights(wte=3),
    "a list among the weights": lambda: with_weights(wte=[[1.0]]),
    "a number as a name": lambda: saved(checkpoint_of(model=None) | {"model": {0: torch.ones(2)}}),
}

# Tensors that cannot be weights


def _quantised() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch will do without them
        return torch.quantize_per_tensor(torch.ones(11, 8), 0.1, 0, torch.qint8)


def _filled(value: float) -> torch.Tensor:
    weight = torch.ones(11, 8)
    weight[3, 4] = value
    return weight


TENSORS: Mapping[str, Callable[[], bytes]] = {
    "NaN": lambda: with_weights(wte=_filled(float("nan"))),
    "infinity": lambda: with_weights(wte=_filled(float("inf"))),
    "float64 beyond float32": lambda: with_weights(wpe=torch.full((6, 8), 1e200, dtype=torch.float64)),
    "stride 0": lambda: with_weights(wte=torch.ones(1).expand(10**6, 10**6)),
    "stride 0 of one row": lambda: with_weights(wte=torch.ones(8).expand(11, 8)),
    "int8": lambda: with_weights(wte=torch.ones(11, 8, dtype=torch.int8)),
    "bool": lambda: with_weights(wte=torch.ones(11, 8, dtype=torch.bool)),
    "complex": lambda: with_weights(wte=torch.ones(11, 8, dtype=torch.complex64)),
    "sparse": lambda: with_weights(wte=torch.ones(11, 8).to_sparse()),
    "quantised": lambda: with_weights(wte=_quantised()),
    "half true": lambda: with_weights(wte=torch.full((11, 8), 2, dtype=torch.uint8).view(torch.bool)),
    "meta": lambda: with_weights(wte=torch.ones(11, 8, device="meta")),
    "empty": lambda: with_weights(wte=torch.ones(0, 8)),
    "scalar": lambda: with_weights(wte=torch.tensor(1.0)),
}  # fmt: skip

# Structures that are small in the file and large or endless for a reader that walks them


def _shared_lists() -> object:
    bomb: object = [0]
    for _ in range(60):
        bomb = [bomb, bomb]
    return bomb


def nested_pickle(depth: int) -> bytes:
    """A list in a list in a list …, as a value of the checkpoint."""
    return b"\x80\x02}X\x01\x00\x00\x00a" + b"]" * depth + b"a" * (depth - 1) + b"s."


def nested_tuple(depth: int = 25) -> object:
    """A tuple that holds another twice, which holds another twice …: 2^depth values to whoever hashes it."""
    nested: object = ()
    for _ in range(depth):
        nested = (nested, nested)
    return nested


_NESTED = pickle.dumps(nested_tuple(), 2)[2:-1]

ENDLESS_KEYS: Mapping[str, Callable[[], bytes]] = {
    "a nested tuple as a key": lambda: saved(checkpoint_of(extra={nested_tuple(): 1})),
    "a nested tuple as a key at the top": lambda: saved({**checkpoint_of(), nested_tuple(): 1}),
    "a tuple in a set": lambda: saved(checkpoint_of(extra={nested_tuple()})),
    "one tuple again and again": lambda: saved(checkpoint_of(extra=[{key: 1} for key in [nested_tuple(10)] * 20_000])),
    "numbers with one hash": lambda: saved(checkpoint_of(extra={i * (2**61 - 1): i for i in range(1, 10_002)})),
    "tuples of numbers": lambda: saved(checkpoint_of(extra={(i, 0): i for i in range(10_001)})),
    "the name of a storage": lambda: with_pickle(
        _IN_A_DICT + b"(" + _text("storage") + b"ctorch\nFloatStorage\n" + _NESTED + _text("cpu") + b"K\x01tQs."
    ),
    "the state of a dictionary": lambda: with_pickle(
        _IN_A_DICT + b"ccollections\nOrderedDict\n)R]" + _NESTED + b"K\x01\x86abs."
    ),
}

HARMLESS: Mapping[str, Callable[[], bytes]] = {
    "shared lists": lambda: saved(checkpoint_of(extra=_shared_lists())),
    "a list that holds itself": lambda: saved(checkpoint_of(extra=_loop())),
    "a nested tuple": lambda: saved(checkpoint_of(extra=nested_tuple(60))),
    "large numbers": lambda: saved(checkpoint_of(extra={2**64 + i: i for i in range(100)})),
    "many large numbers": lambda: saved(checkpoint_of(extra=[2**64 + i for i in range(20_000)])),
    "tuples as keys": lambda: saved(checkpoint_of(extra={(i, "a", (0.5,)): {i} for i in range(100)})),
}


def _loop() -> object:
    loop: list[object] = []
    loop.append(loop)
    return loop


def flipped(content: bytes, offset: int) -> bytes:
    """The file with one bit of the byte at ``offset`` turned."""
    damaged = bytearray(content)
    damaged[offset] ^= 0x10
    return bytes(damaged)


def edited(content: bytes, edits: Sequence[tuple[int, int]], cut: int = 0) -> bytes:
    """The file without its last ``cut`` bytes, with other bytes at some positions."""
    changed = bytearray(content[: len(content) - cut])
    for position, byte in edits:
        changed[position % len(changed)] = byte
    return bytes(changed)
