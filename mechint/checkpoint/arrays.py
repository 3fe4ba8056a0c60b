"""Reading a file of torch.save as arrays, without torch: for what is no model, so that it is read at once.

1. The archive is checked as a checkpoint's is: whole, its checksums right, plain values and dense tensors alone.
2. Its description is unpickled with names for tensors and dictionaries only; nothing that it names is imported.
3. Each tensor becomes a view of its storage, which is read once, if its sizes fit the values that lie behind it.
"""

from __future__ import annotations

import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechint.checkpoint.archive import check_archive, root_of
from mechint.checkpoint.kinds import tell_kind
from mechint.checkpoint.opened import OpenedFile, open_unchanged
from mechint.codes import Code
from mechint.errors import CheckpointError

__all__ = ["read_arrays"]

_KINDS: Mapping[str, str] = {
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "DoubleStorage": "<f8",
    "BFloat16Storage": "<u2",
    "BoolStorage": "u1",
    "ByteStorage": "u1",
}
_BFLOAT16, _BOOL = "BFloat16Storage", "BoolStorage"
_MOST_DIMENSIONS = 16


def read_arrays(path: str) -> object:
    """What the file holds: plain values, and arrays for tensors; bfloat16 as float32.

    Raises CheckpointError for whatever is wrong with it.
    """
    with open_unchanged(path) as file:
        if tell_kind(path, file.head) != "archive":
            raise CheckpointError(f"{path}: is not a file of torch.save")
        check_archive(file)
        return _load(file)


def _load(file: OpenedFile) -> object:
    try:
        with zipfile.ZipFile(file.stream) as archive:
            root = root_of(archive)
            if f"{root}/byteorder" in archive.namelist() and archive.read(f"{root}/byteorder") != b"little":
                raise CheckpointError(f"{file.path}: was saved on a machine with another order of bytes")
            return _Reader(file.path, archive, root).load()
    except CheckpointError:
        raise
    # pickle and numpy let several kinds of error out for made-up files.
    except Exception as error:
        raise CheckpointError(
            f"{file.path}: cannot be read ({str(error)[:200] or type(error).__name__}); copy or save it again",
            code=Code.DAMAGED,
        ) from None


class _Reader(pickle.Unpickler):
    """Unpickles an archive's description with the few names below, whatever else it asks for."""

    def __init__(self, path: str, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(BytesIO(archive.read(f"{root}/data.pkl")))
        self._path = path
        self._archive = archive
        self._root = root
        self._names: Mapping[str, Callable[..., Any] | str] = {
            "collections.OrderedDict": OrderedDict,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
            **{f"torch.{kind}": kind for kind in _KINDS},
        }
        self._storages: dict[tuple[str, str], NDArray[Any]] = {}

    def find_class(self, module: str, name: str, /) -> Any:
        asked = f"{module}.{name}"
        if asked not in self._names:
            raise CheckpointError(
                f"{self._path}: holds {ascii(asked)[1:-1][:100]}, and only dense tensors of numbers are read here",
                code=Code.CHECKPOINT,
            )
        return self._names[asked]

    def persistent_load(self, pid: Any, /) -> NDArray[Any]:
        """The values of a storage, which any number of tensors may show; read once."""
        _, kind, key, _, count = pid
        if (key, kind) not in self._storages:
            self._storages[key, kind] = _values(self._path, kind, self._archive.read(f"{self._root}/data/{key}"))
        values = self._storages[key, kind]
        if len(values) != count:
            raise CheckpointError(
                f"{self._path}: a tensor has {len(values):,} values and states {count:,}", code=Code.DAMAGED
            )
        return values

    def _tensor(
        self, values: NDArray[Any], offset: int, shape: Sequence[int], strides: Sequence[int], *_: object
    ) -> NDArray[Any]:
        """The values of a storage that a tensor shows, not to be written to."""
        if not (len(shape) == len(strides) <= _MOST_DIMENSIONS and min((offset, *shape, *strides)) >= 0):
            raise CheckpointError(f"{self._path}: a tensor has the shape {shape!r:.100}", code=Code.DAMAGED)
        size = values.itemsize
        # More values than lie behind it: a view with stride 0 can claim 10^12 of them.
        if (claimed := math.prod(shape)) > len(values):
            raise CheckpointError(
                f"{self._path}: a tensor claims {claimed * size:,} bytes and has {len(values) * size:,}",
                code=Code.DAMAGED,
            )
        last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
        if claimed and last >= len(values):
            raise CheckpointError(f"{self._path}: a tensor reaches beyond its values", code=Code.DAMAGED)
        steps = [stride * size for stride in strides]
        return np.lib.stride_tricks.as_strided(values[offset:], tuple(shape), steps, writeable=False)


def _values(path: str, kind: str, raw: bytes) -> NDArray[Any]:
    """The values in a record, as numbers that numpy knows."""
    values = np.frombuffer(raw, dtype=_KINDS[kind])
    if kind == _BFLOAT16:
        return (values.astype(np.uint32) << 16).view(np.float32)
    if kind == _BOOL:
        if len(values) and values.max() > 1:
            raise CheckpointError(
                f"{path}: a tensor has values that are neither true nor false, so the file is damaged",
                code=Code.DAMAGED,
            )
        return values.view(np.bool_)
    return values
