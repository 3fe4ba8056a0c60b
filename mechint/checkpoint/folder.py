"""Reading a folder as transformers saves models: config.json, and the weights in one file or in shards.

Nothing in the folder is run: Python files and whatever config.json says of them (``auto_map``) are not looked at, and
weights in pickles (``pytorch_model.bin``) are read as those of any other file of torch.save.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mechint.checkpoint.checkpoint import Checkpoint, read_checkpoint
from mechint.checkpoint.config import LARGEST_CONFIG, parse_config
from mechint.checkpoint.files import MOST_VALUES, find_weights, hash_of, list_folder, listed
from mechint.checkpoint.opened import read_small
from mechint.checkpoint.strict_json import parse_json
from mechint.checkpoint.weights import plain_name
from mechint.codes import Code
from mechint.errors import CheckpointError
from mechint.natural import natural_key

__all__ = ["Folder", "read_folder"]

_LARGEST_STATE = 200_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Folder:
    """A model of transformers as it lies on disk, checked."""

    config: dict[str, Any]
    """What config.json says."""
    checkpoint: Checkpoint
    """The weights of all files together; it states no facts, and its step is the trainer's."""


def read_folder(path: str) -> Folder:
    """Read a Hugging Face folder; raises CheckpointError where a part is missing, damaged, unsafe or not read."""
    names = list_folder(path)
    if "config.json" not in names:
        raise CheckpointError(f"{path}: has no config.json, so it is no folder of a model; it holds {listed(names)}")
    config_path = os.path.join(path, "config.json")
    raw_config = read_small(config_path, LARGEST_CONFIG)
    config = parse_config(config_path, raw_config)
    files, index = find_weights(path, names)
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
        sha256=hash_of(hashes),
        layout=next(iter(parts.values())).layout,
        weights=_merge(path, parts),
        facts={},
        step=_read_step(path, names),
        best_val_loss=None,
    )
    return Folder(config=config, checkpoint=checkpoint)


def _compare_with_index(path: str, weights: Collection[str], index: Mapping[str, str]) -> None:
    """Refuse a shard that lacks weights which the index looks for in it, or that has others."""
    file = os.path.basename(path)
    stated = {plain_name(name) for name, where in index.items() if where == file}
    for what, names in (("lacks", stated.difference(weights)), ("also has", set(weights) - stated)):
        if names:
            found = listed(sorted(names, key=natural_key))
            raise CheckpointError(f"{path}: does not fit the index of its folder: it {what} {found}", code=Code.DAMAGED)


def _merge(path: str, parts: Mapping[str, Checkpoint]) -> dict[str, Tensor]:
    merged: dict[str, Tensor] = {}
    for part in parts.values():
        if twice := merged.keys() & part.weights.keys():
            raise CheckpointError(f"{path}: two of its files hold {listed(sorted(twice))}", code=Code.DAMAGED)
        merged |= part.weights
    return merged


def _read_step(path: str, names: Collection[str]) -> int | None:
    """The step of training: as the trainer's state says, else as the folder's name does (checkpoint-500)."""
    if "trainer_state.json" not in names:
        found = re.fullmatch(r"checkpoint-([0-9]{1,15})", os.path.basename(os.path.abspath(path)))
        return int(found[1]) if found else None
    place = os.path.join(path, "trainer_state.json")
    # Its log keeps the losses of a training that diverged.
    state = parse_json(f"{place}:", read_small(place, _LARGEST_STATE), most_values=MOST_VALUES, allow_nan=True)
    step = state.get("global_step") if isinstance(state, dict) else None
    if type(step) is not int or not 0 <= step < 10**15:
        raise CheckpointError(f"{place}: states no global_step; remove the file if the step does not matter")
    return step
