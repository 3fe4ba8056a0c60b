"""The outside of a checkpoint file: everything that can be refused before torch reads it.

Checkpoints are untrusted data. torch neither verifies the checksums of the archive it reads nor bounds what a
pickle inside may allocate, so both are done here, on the one file handle that torch then reads from.
"""

from __future__ import annotations

import hashlib
import os
import pickletools
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from mechint.errors import CheckpointError

__all__ = ["open_verified"]

_LARGEST_FILE = 32 << 30
_LARGEST_PICKLE = 64 << 20
_MOST_RECORDS = 200_000
_SCAN_BYTES = 512

# What torch.save writes for dictionaries of plain values and dense tensors. Nothing here allocates more than the
# file holds or has an effect beyond its value; bytearray, sparse, quantised and meta tensors are left out.
_SAFE_GLOBALS = frozenset(
    {
        "argparse Namespace",
        "collections OrderedDict",
        "torch Size",
        "torch device",
        "torch._utils _rebuild_parameter",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_tensor_v3",
        "torch.storage UntypedStorage",
        "__builtin__ set",
        "builtins set",
        *(f"torch {kind}Storage" for kind in "BFloat16 Bool Byte Char Double Float Half Int Long Short".split()),
        *(f"torch {kind}" for kind in "bfloat16 bool float16 float32 float64 int16 int32 int64 int8 uint8".split()),
        *(f"torch {kind}" for kind in "uint16 uint32 uint64".split()),
    }
)  # fmt: skip
# The instructions of pickle protocol 2 that torch.save uses and torch's safe reader knows.
_SAFE_OPCODES = frozenset(
    "APPEND APPENDS BINFLOAT BINGET BININT BININT1 BININT2 BINPERSID BINPUT BINUNICODE BUILD EMPTY_DICT EMPTY_LIST "
    "EMPTY_SET EMPTY_TUPLE GLOBAL LONG1 LONG_BINGET LONG_BINPUT MARK NEWFALSE NEWOBJ NEWTRUE NONE PROTO REDUCE SETITEM "
    "SETITEMS SHORT_BINSTRING STOP TUPLE TUPLE1 TUPLE2 TUPLE3".split()
)


@contextmanager
def open_verified(path: str) -> Iterator[tuple[IO[bytes], str]]:
    """Open a checkpoint that is whole and safe to read, with the hex sha256 of its bytes.

    The handle stands at the start. Raises CheckpointError for anything but an undamaged archive of ``torch.save``
    that holds plain values and dense tensors only.
    """
    with _open_regular(path) as stream:
        before = os.fstat(stream.fileno())
        _check_magic(path, stream, before.st_size)
        stream.seek(0)
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        _check_archive(path, stream, before.st_size)
        stream.seek(0)
        yield stream, sha256
        after = os.fstat(stream.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise CheckpointError(f"{path}: changed while it was being read; wait until its writer is done")


@contextmanager
def _open_regular(path: str) -> Iterator[IO[bytes]]:
    try:
        # Without O_NONBLOCK, opening a FIFO waits for a writer.
        stream = os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0)), "rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CheckpointError(f"{path}: cannot be opened: {reason.lower()}") from None
    with stream:
        facts = os.fstat(stream.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise CheckpointError(f"{path}: is not a regular file; name the checkpoint itself")
        if facts.st_size > _LARGEST_FILE:
            raise CheckpointError(
                f"{path}: has {facts.st_size:,} bytes, and {_LARGEST_FILE:,} is the most that is read; save the weights "
                "without the optimizer"
            )
        yield stream


def _check_magic(path: str, stream: IO[bytes], size: int) -> None:
    """Tell from its first bytes what a file is that is no archive of torch.save."""
    head = stream.read(_SCAN_BYTES)
    if head.startswith(b"PK\x03\x04"):
        return
    text = head.lstrip().lower()
    if size == 0:
        found = "is empty; its writer was probably stopped, so save or copy it again"
    elif not head.strip(b"\0"):
        found = "begins with zeros only; it was probably copied in part, so copy it again"
    elif head.startswith(b"version https://git-lfs"):
        found = "is a Git LFS pointer, not the weights; run `git lfs pull`"
    elif text.startswith((b"<!doctype", b"<html", b"<?xml")):
        found = "is a web page, probably an error or a login that was downloaded in its place; download it again"
    elif head.startswith(b"\x80") and len(head) > 1 and head[1] <= 5:
        found = (
            "is a bare pickle, the format of torch before 1.6, which is not read since it can run code; if you trust "
            "it, load it and torch.save its weights again"
        )
    elif b"ustar" in head:
        found = "is a tar archive; extract it and name the .pt file inside"
    elif head.startswith(b"\x1f\x8b"):
        found = "is compressed with gzip; decompress it first"
    elif head[8:9] == b"{":
        found = "looks like safetensors, which is not read yet; load it and torch.save its weights as {'model': …}"
    elif _is_text(head):
        found = "is a text file, not a checkpoint; name a .pt file written by torch.save"
    else:
        found = "does not begin like a file of torch.save; it is damaged or of another kind"
    raise CheckpointError(f"{path}: {found}")


def _is_text(head: bytes) -> bool:
    # A character may be cut in two at the end of what was read.
    return (
        all(byte >= 32 or byte in b"\t\n\r\f" for byte in head) and "\ufffd" not in head.decode(errors="replace")[:-1]
    )


def _check_archive(path: str, stream: IO[bytes], size: int) -> None:
    """Refuse an archive that is cut short, altered, compressed, ambiguous or holds more than tensors and values."""
    try:
        with zipfile.ZipFile(stream) as archive:
            root = _check_directory(path, archive, size)
            pickled = archive.read(f"{root}/data.pkl")
            damaged = archive.testzip()
    except CheckpointError:
        raise
    # zipfile lets several kinds of error out for damaged archives.
    except Exception as error:
        raise CheckpointError(
            f"{path}: is damaged or cut short ({str(error) or type(error).__name__}); copy or save it again"
        ) from None
    if damaged is not None:
        raise CheckpointError(f"{path}: is damaged: the checksum of {damaged!r} does not fit; copy or save it again")
    _check_pickle(path, pickled)


def _check_directory(path: str, archive: zipfile.ZipFile, size: int) -> str:
    """Check the list of records, and return the folder that all of them are in."""
    records = archive.infolist()
    names = [record.filename for record in records]
    roots = {name.partition("/")[0] for name in names}
    root = min(roots, default="")
    if len(records) > _MOST_RECORDS:
        raise CheckpointError(f"{path}: holds {len(records):,} records, and {_MOST_RECORDS:,} is the most that is read")
    if len(set(names)) != len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise CheckpointError(f"{path}: holds two records named {twice!r}, so it is damaged or made to mislead")
    if any(record.flag_bits & 1 for record in records):
        raise CheckpointError(f"{path}: is encrypted; save it without a password")
    if any(
        record.compress_type != zipfile.ZIP_STORED or record.compress_size != record.file_size for record in records
    ):
        raise CheckpointError(
            f"{path}: is a compressed archive, which torch.save never writes; save it again with torch"
        )
    if sum(record.file_size for record in records) > size or archive.comment or _begins_late(records):
        raise CheckpointError(f"{path}: its list of records does not fit its size, so it is damaged or made to mislead")
    if any(name.startswith((f"{root}/code/", f"{root}/.data/extern_modules")) for name in names) or (
        f"{root}/constants.pkl" in names
    ):
        raise CheckpointError(
            f"{path}: is a TorchScript or torch.package archive, which holds code; save the weights with "
            "torch.save(model.state_dict(), …)"
        )
    if len(roots) != 1 or f"{root}/data.pkl" not in names:
        raise CheckpointError(f"{path}: is a zip archive without the data.pkl of torch.save; name a .pt file")
    if archive.getinfo(f"{root}/data.pkl").file_size > _LARGEST_PICKLE:
        raise CheckpointError(f"{path}: its description alone is over {_LARGEST_PICKLE:,} bytes, too much for weights")
    return root


def _begins_late(records: list[zipfile.ZipInfo]) -> bool:
    """Whether something else stands before the first record, as in a file that is two formats at once."""
    return min(record.header_offset for record in records) != 0


def _check_pickle(path: str, pickled: bytes) -> None:
    """Refuse a pickle that names anything but plain values and dense tensors; nothing in it is run."""
    try:
        named, opcodes = _scan_pickle(pickled)
    # pickletools lets several kinds of error out for damaged pickles.
    except Exception as error:
        raise CheckpointError(f"{path}: its description of the weights is damaged ({error}); save it again") from None
    strange = [name for name in named if name not in _SAFE_GLOBALS]
    if strange:
        listed = ", ".join(ascii(name.replace(" ", "."))[1:-1] for name in strange[:8])
        raise CheckpointError(
            f"{path}: holds more than weights and plain values: {listed}{' …' if len(strange) > 8 else ''}; that can "
            "run code, so it is not loaded\n"
            "  hint: where it was made, keep only the weights: torch.save({'model': model.state_dict(), "
            "'model_args': {'n_head': …}}, path)"
        )
    if not opcodes <= _SAFE_OPCODES:
        raise CheckpointError(
            f"{path}: is pickled with instructions that torch.save does not use ({min(opcodes - _SAFE_OPCODES)}); save "
            "it again with torch.save and its default pickle protocol"
        )


def _scan_pickle(pickled: bytes) -> tuple[list[str], set[str]]:
    """The globals ``module name`` that a pickle asks for, in order, and the instructions that it uses."""
    named: dict[str, None] = {}
    opcodes = set()
    texts = ("?", "?")
    for opcode, argument, _ in pickletools.genops(pickled):
        opcodes.add(opcode.name)
        if opcode.name in ("GLOBAL", "INST"):
            named[str(argument)] = None
        elif opcode.name == "STACK_GLOBAL":
            named[" ".join(texts)] = None
        elif isinstance(argument, str):
            texts = (texts[1], argument)
    return list(named), opcodes
