"""The outside of a checkpoint file: everything that can be refused before torch reads it.

Checkpoints are untrusted data. torch does not verify the checksums of the archive that it reads, so that is done
here, on the one file handle that torch then reads from.
"""

from __future__ import annotations

import zipfile
from collections import Counter

from mechint.checkpoint.opened import OpenedFile
from mechint.checkpoint.pickled import check_pickle
from mechint.codes import Code
from mechint.errors import CheckpointError

__all__ = ["check_archive", "root_of"]

_LARGEST_PICKLE = 64 << 20
_MOST_RECORDS = 200_000


def check_archive(file: OpenedFile, *, names: bool = True) -> None:
    """Refuse, as CheckpointError, anything but a whole archive of ``torch.save`` with plain values and dense tensors.

    ``names`` is as in ``check_pickle``. Leaves the stream at the start.
    """
    check_pickle(file.path, _read_pickle(file), names=names)
    file.stream.seek(0)


def root_of(archive: zipfile.ZipFile) -> str:
    """The folder that torch.save puts all records in."""
    return archive.infolist()[0].filename.partition("/")[0]


def _read_pickle(file: OpenedFile) -> bytes:
    """The archive's description of its weights, after every record's checksum has been verified."""
    path = file.path
    try:
        with zipfile.ZipFile(file.stream) as archive:
            if fault := _find_fault(archive, file.size):
                raise CheckpointError(f"{path}: {fault}", code=Code.DAMAGED)
            damaged = archive.testzip()
            pickled = archive.read(f"{root_of(archive)}/data.pkl")
    except CheckpointError:
        raise
    # zipfile lets several kinds of error out for damaged archives.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise CheckpointError(
            f"{path}: is damaged or cut short ({reason}); copy or save it again", code=Code.DAMAGED
        ) from None
    if damaged is not None:
        raise CheckpointError(
            f"{path}: is damaged: the checksum of {damaged!r} does not fit; copy or save it again", code=Code.DAMAGED
        )
    return pickled


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
    return _find_stranger(archive, root_of(archive))


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
