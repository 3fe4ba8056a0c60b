"""Reading a folder as transformers saves models: config.json, and the weights in one file or in shards.

Nothing in the folder is run: Python files and whatever config.json says of them (``auto_map``) are not looked at, and
weights in pickles (``pytorch_model.bin``) are read as those of any other file of torch.save.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mechint.checkpoint.checkpoint import Checkpoint, read_checkpoint
from mechint.checkpoint.config import LARGEST_CONFIG, parse_config
from mechint.checkpoint.opened import read_small
from mechint.checkpoint.strict_json import parse_json
from mechint.checkpoint.weights import MOST_WEIGHTS, plain_name
from mechint.codes import Code
from mechint.errors import CheckpointError
from mechint.natural import natural_key

__all__ = ["Folder", "read_folder"]

_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
"""In the order of preference; each may stand as ``….index.json`` with shards instead."""
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,150}")
_MOST_ENTRIES = 10_000
_MOST_SHARDS = 1000
_LARGEST_INDEX = 50_000_000
_LARGEST_STATE = 200_000_000
_MOST_VALUES = 10_000_000
_LISTED = 6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Folder:
    """A model of transformers as it lies on disk, checked."""

    config: dict[str, Any]
    """What config.json says."""
    checkpoint: Checkpoint
    """The weights of all files together; it states no facts, and its step is the trainer's."""


def read_folder(path: str) -> Folder:
    """Read a Hugging Face folder; raises CheckpointError where a part is missing, damaged, unsafe or not read."""
    names = _list_folder(path)
    if "config.json" not in names:
        raise CheckpointError(f"{path}: has no config.json, so it is no folder of a model; it holds {_listed(names)}")
    config_path = os.path.join(path, "config.json")
    raw_config = read_small(config_path, LARGEST_CONFIG)
    config = parse_config(config_path, raw_config)
    files, index = _find_weights(path, names)
    parts = {name: read_checkpoint(os.path.join(path, name)) for name in files}
    if index is not None:
        for name, part in parts.items():
            _compare_with_index(os.path.join(path, name), part.weights, index)
    hashes = {
        "config.json": hashlib.sha256(raw_config).hexdigest(),
        **{name: part.sha256 for name, part in parts.items()},
    }
    checkpoint = Checkpoint(
        path=path,
        sha256=_hash_of(hashes),
        layout=next(iter(parts.values())).layout,
        weights=_merge(path, parts),
        facts={},
        step=_read_step(path, names),
        best_val_loss=None,
    )
    return Folder(config=config, checkpoint=checkpoint)


def _list_folder(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry, _ in zip(entries, range(_MOST_ENTRIES + 1), strict=False)]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CheckpointError(f"{path}: cannot be listed: {reason.lower()}", code=Code.UNREADABLE_CHECKPOINT) from None
    if len(names) > _MOST_ENTRIES:
        raise CheckpointError(f"{path}: holds more than {_MOST_ENTRIES:,} files, so it is no folder of a model")
    return sorted(names, key=natural_key)


def _find_weights(path: str, names: Sequence[str]) -> tuple[Sequence[str], Mapping[str, str] | None]:
    """The files with the weights, and for shards the file of each weight."""
    for name in _WEIGHT_FILES:
        if name in names:
            return [name], None
        if f"{name}.index.json" in names:
            index = _read_index(os.path.join(path, f"{name}.index.json"))
            shards = sorted(set(index.values()), key=natural_key)
            if missing := [shard for shard in shards if shard not in names]:
                raise CheckpointError(
                    f"{path}: lacks {len(missing)} of its {len(shards)} files of weights: {_listed(missing)}; download "
                    "or copy them too",
                    code=Code.DAMAGED,
                )
            return shards, index
    if "adapter_config.json" in names:
        raise CheckpointError(f"{path}: is an adapter without its model; merge it into the model and save that")
    raise CheckpointError(
        f"{path}: has no weights that are read; looked for {' and '.join(_WEIGHT_FILES)}, whole or in shards, and "
        f"found {_listed(names)}; save the model from PyTorch, as safetensors"
    )


def _read_index(path: str) -> Mapping[str, str]:
    """The file of each weight, under the names that the index gives them."""
    content = parse_json(f"{path}:", read_small(path, _LARGEST_INDEX), most_values=_MOST_VALUES)
    index = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(index, dict) or not 0 < len(index) <= MOST_WEIGHTS:
        raise CheckpointError(f"{path}: has no weight_map of 1 to {MOST_WEIGHTS:,} weights")
    for name in index.values():
        if not isinstance(name, str) or not _FILE_NAME.fullmatch(name):
            raise CheckpointError(f"{path}: names {ascii(name)[:100]}, which is no file of this folder")
    if len(set(index.values())) > _MOST_SHARDS:
        raise CheckpointError(f"{path}: names more than {_MOST_SHARDS:,} files")
    return index


def _compare_with_index(path: str, weights: Collection[str], index: Mapping[str, str]) -> None:
    """Refuse a shard that lacks weights which the index looks for in it, or that has others."""
    file = os.path.basename(path)
    stated = {plain_name(name) for name, where in index.items() if where == file}
    for what, names in (("lacks", stated.difference(weights)), ("also has", set(weights) - stated)):
        if names:
            listed = _listed(sorted(names, key=natural_key))
            raise CheckpointError(
                f"{path}: does not fit the index of its folder: it {what} {listed}", code=Code.DAMAGED
            )


def _merge(path: str, parts: Mapping[str, Checkpoint]) -> dict[str, Tensor]:
    merged: dict[str, Tensor] = {}
    for part in parts.values():
        if twice := merged.keys() & part.weights.keys():
            raise CheckpointError(f"{path}: two of its files hold {_listed(sorted(twice))}", code=Code.DAMAGED)
        merged |= part.weights
    return merged


def _hash_of(hashes: Mapping[str, str]) -> str:
    lines = "".join(f"{name} {hashes[name]}\n" for name in sorted(hashes))
    return hashlib.sha256(lines.encode()).hexdigest()


def _read_step(path: str, names: Collection[str]) -> int | None:
    """The step of training: as the trainer's state says, else as the folder's name does (checkpoint-500)."""
    if "trainer_state.json" not in names:
        found = re.fullmatch(r"checkpoint-([0-9]{1,15})", os.path.basename(os.path.abspath(path)))
        return int(found[1]) if found else None
    place = os.path.join(path, "trainer_state.json")
    # Its log keeps the losses of a training that diverged.
    state = parse_json(f"{place}:", read_small(place, _LARGEST_STATE), most_values=_MOST_VALUES, allow_nan=True)
    step = state.get("global_step") if isinstance(state, dict) else None
    if type(step) is not int or not 0 <= step < 10**15:
        raise CheckpointError(f"{place}: states no global_step; remove the file if the step does not matter")
    return step


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(ascii(name)[1:-1][:100] for name in names[:_LISTED])
    return shown + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "") or "nothing"
