"""The outside of a checkpoint file: everything that can be refused before torch reads it.

Checkpoints are untrusted data. torch does not verify the checksums of the archive that it reads, so that is done
here, on the one file handle that torch then reads from.
"""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader

from mechint.checkpoint.pickled import check_pickle
from mechint.errors import CheckpointError

__all__ = ["open_verified"]

_LARGEST_FILE = 32 << 30
_LARGEST_PICKLE = 64 << 20
_MOST_RECORDS = 200_000

# What a file is that begins like this, and what to do about it.
_KNOWN_BEGINNINGS = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the weights; run `git lfs pull`"),
    (b"\x1f\x8b", "is compressed with gzip; decompress it first"),
    (
        b"\x80",
        "is a bare pickle, as torch saved before 1.6, which can run code; where it was made, torch.save it again",
    ),
)
_WEB_PAGE = (b"<!doctype", b"<html", b"<?xml", b"<head")


@contextmanager
def open_verified(path: str) -> Iterator[tuple[BufferedReader, str]]:
    """Open a checkpoint that is whole and safe to read, with the hex sha256 of its bytes.

    The handle stands at the start. Raises CheckpointError for anything but an undamaged archive of ``torch.save``
    that holds plain values and dense tensors only.
    """
    with _open_regular(path) as stream:
        before = os.fstat(stream.fileno())
        if unlike := _tell_unlike(stream.read(512)):
            raise CheckpointError(f"{path}: {unlike}")
        stream.seek(0)
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        check_pickle(path, _read_archive(path, stream, before.st_size))
        stream.seek(0)
        yield stream, sha256
        after = os.fstat(stream.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise CheckpointError(f"{path}: changed while it was being read; wait until its writer is done")


@contextmanager
def _open_regular(path: str) -> Iterator[BufferedReader]:
    try:
        # Without O_NONBLOCK, opening a FIFO waits for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CheckpointError(f"{path}: cannot be opened: {reason.lower()}") from None
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise CheckpointError(f"{path}: is not a regular file; name the checkpoint itself")
        if facts.st_size > _LARGEST_FILE:
            raise CheckpointError(
                f"{path}: has {facts.st_size:,} bytes, and {_LARGEST_FILE:,} is the most that is read; save the "
                "weights without the optimizer"
            )
        with open(descriptor, "rb", closefd=False) as stream:
            yield stream
    finally:
        os.close(descriptor)


def _tell_unlike(head: bytes) -> str | None:
    """What a file is that does not begin like an archive of torch.save; None for one that does."""
    if head.startswith(b"PK\x03\x04"):
        return None
    if not head:
        return "is empty; its writer was probably stopped, so save or copy it again"
    if not head.strip(b"\0"):
        return "begins with zeros only; it was probably copied in part, so copy it again"
    for beginning, sentence in _KNOWN_BEGINNINGS:
        if head.startswith(beginning):
            return sentence
    if head.lstrip().lower().startswith(_WEB_PAGE):
        return "is a web page, probably an error or a login in the checkpoint's place; download it again"
    if head[8:9] == b"{" and head[4:8] == bytes(4):
        return "looks like safetensors, which is not read yet; load it and torch.save its weights as {'model': …}"
    if b"ustar" in head:
        return "is a tar archive; extract it and name the .pt file inside"
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return "is a text file, not a checkpoint; name a .pt file written by torch.save"
    return "does not begin like a file of torch.save; it is damaged or of another kind"


def _read_archive(path: str, stream: BufferedReader, size: int) -> bytes:
    """The archive's description of its weights, after every record's checksum has been verified."""
    try:
        with zipfile.ZipFile(stream) as archive:
            if fault := _find_fault(archive, size):
                raise CheckpointError(f"{path}: {fault}")
            damaged = archive.testzip()
            pickled = archive.read(f"{_root(archive)}/data.pkl")
    except CheckpointError:
        raise
    # zipfile lets several kinds of error out for damaged archives.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise CheckpointError(f"{path}: is damaged or cut short ({reason}); copy or save it again") from None
    if damaged is not None:
        raise CheckpointError(f"{path}: is damaged: the checksum of {damaged!r} does not fit; copy or save it again")
    return pickled


def _root(archive: zipfile.ZipFile) -> str:
    """The folder that torch.save puts all records in."""
    return archive.infolist()[0].filename.partition("/")[0]


def _find_fault(archive: zipfile.ZipFile, size: int) -> str | None:
    """What is wrong with the archive's list of records: cut short, compressed, ambiguous, or not torch.save's."""
    records = archive.infolist()
    if not 0 < len(records) <= _MOST_RECORDS:
        return f"holds {len(records):,} records; expected between 1 and {_MOST_RECORDS:,}"
    name, times = Counter(record.filename for record in records).most_common(1)[0]
    if times > 1:
        return f"holds two records named {name!r}, so it is damaged or made to mislead"
    if any(record.flag_bits & 1 for record in records):
        return "is encrypted; save it without a password"
    if any(record.compress_type or record.compress_size != record.file_size for record in records):
        return "is a compressed archive, which torch.save never writes; save it again with torch"
    # A file may be two archives at once, for two readers; one that torch.save wrote starts with its first record.
    if sum(record.file_size for record in records) > size or min(record.header_offset for record in records) > 0:
        return "has a list of records that does not fit its size, so it is damaged or made to mislead"
    return _find_stranger(archive, _root(archive))


def _find_stranger(archive: zipfile.ZipFile, root: str) -> str | None:
    names = set(archive.namelist())
    if f"{root}/constants.pkl" in names or any(
        name.startswith((f"{root}/code/", f"{root}/.data/extern_modules")) for name in names
    ):
        return "is a TorchScript or torch.package archive, which holds code; save torch.save(model.state_dict(), …)"
    if f"{root}/data.pkl" not in names or not all(name.startswith(f"{root}/") for name in names):
        return "is a zip archive, but not one of torch.save; name a .pt file"
    if archive.getinfo(f"{root}/data.pkl").file_size > _LARGEST_PICKLE:
        return f"describes its weights in over {_LARGEST_PICKLE:,} bytes, too much for weights"
    return None
