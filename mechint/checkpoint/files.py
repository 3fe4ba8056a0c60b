"""The files that a checkpoint is read from, told without loading it, and one hash of what is in them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mechint.checkpoint.opened import open_unchanged, read_small
from mechint.checkpoint.sizes import MOST_WEIGHTS
from mechint.checkpoint.strict_json import parse_json
from mechint.codes import Code
from mechint.errors import CheckpointError
from mechint.natural import natural_key

__all__ = [
    "MOST_VALUES",
    "TOKENIZER_FILES",
    "find_weights",
    "hash_file",
    "hash_files",
    "hash_of",
    "hash_weights",
    "list_folder",
    "listed",
]

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt", "tiktoken.model")
"""One of these is where a tokenizer is."""
_BESIDE = (
    *TOKENIZER_FILES,
    "config.json",
    "trainer_state.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "sentencepiece.bpe.model",
)
"""What may be read with weights, from the folder that they lie in."""
_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
"""In the order of preference; each may stand as ``….index.json`` with shards instead."""
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,150}")
_MOST_ENTRIES = 10_000
_MOST_SHARDS = 1000
_LARGEST_INDEX = 50_000_000
MOST_VALUES = 10_000_000
"""In the JSON of an index or of a trainer's state."""
_LISTED = 6


def hash_file(path: Path) -> str:
    """Hex sha256 of a file; raises CheckpointError where it cannot be read, or changes meanwhile."""
    with open_unchanged(str(path)) as opened:
        return opened.sha256()


def hash_files(path: str, weights: str, hash_file: Callable[[Path], str] = hash_file) -> str:
    """One hash of all that a checkpoint is read from: ``weights``, as ``hash_weights`` gives it, and what is beside."""
    folder = Path(path) if os.path.isdir(path) else Path(path).parent
    beside = {name: hash_file(folder / name) for name in _BESIDE if (folder / name).is_file()}
    return hashlib.sha256(json.dumps([weights, beside], sort_keys=True).encode()).hexdigest()


def hash_weights(path: str, hash_file: Callable[[Path], str] = hash_file) -> str:
    """The ``sha256`` that a ``Checkpoint`` at this place will have; CheckpointError where it cannot be read."""
    if not os.path.isdir(path):
        return hash_file(Path(path))
    files, _ = find_weights(path, list_folder(path))
    return hash_of({name: hash_file(Path(path) / name) for name in ("config.json", *files)})


def hash_of(hashes: Mapping[str, str]) -> str:
    """Of a folder: of the names and hashes of its config.json and weight files."""
    lines = "".join(f"{name} {hashes[name]}\n" for name in sorted(hashes))
    return hashlib.sha256(lines.encode()).hexdigest()


def list_folder(path: str) -> list[str]:
    """The names in a folder, in natural order; raises CheckpointError where it cannot be listed."""
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry, _ in zip(entries, range(_MOST_ENTRIES + 1), strict=False)]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CheckpointError(f"{path}: cannot be listed: {reason.lower()}", code=Code.UNREADABLE_CHECKPOINT) from None
    if len(names) > _MOST_ENTRIES:
        raise CheckpointError(f"{path}: holds more than {_MOST_ENTRIES:,} files, so it is no folder of a model")
    return sorted(names, key=natural_key)


def find_weights(path: str, names: Sequence[str]) -> tuple[Sequence[str], Mapping[str, str] | None]:
    """The files with the weights, and for shards the file of each weight."""
    for name in _WEIGHT_FILES:
        if name in names:
            return [name], None
        if f"{name}.index.json" in names:
            index = _read_index(os.path.join(path, f"{name}.index.json"))
            shards = sorted(set(index.values()), key=natural_key)
            if missing := [shard for shard in shards if shard not in names]:
                raise CheckpointError(
                    f"{path}: lacks {len(missing)} of its {len(shards)} files of weights: {listed(missing)}; download "
                    "or copy them too",
                    code=Code.DAMAGED,
                )
            return shards, index
    if "adapter_config.json" in names:
        raise CheckpointError(f"{path}: is an adapter without its model; merge it into the model and save that")
    raise CheckpointError(
        f"{path}: has no weights that are read; looked for {' and '.join(_WEIGHT_FILES)}, whole or in shards, and "
        f"found {listed(names)}; save the model from PyTorch, as safetensors"
    )


def _read_index(path: str) -> Mapping[str, str]:
    """The file of each weight, under the names that the index gives them."""
    content = parse_json(f"{path}:", read_small(path, _LARGEST_INDEX), most_values=MOST_VALUES)
    index = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(index, dict) or not 0 < len(index) <= MOST_WEIGHTS:
        raise CheckpointError(f"{path}: has no weight_map of 1 to {MOST_WEIGHTS:,} weights")
    for name in index.values():
        if not isinstance(name, str) or not _FILE_NAME.fullmatch(name):
            raise CheckpointError(f"{path}: names {ascii(name)[:100]}, which is no file of this folder")
    if len(set(index.values())) > _MOST_SHARDS:
        raise CheckpointError(f"{path}: names more than {_MOST_SHARDS:,} files")
    return index


def listed(names: Sequence[str]) -> str:
    """The first of some names, for a message."""
    shown = ", ".join(ascii(name)[1:-1][:100] for name in names[:_LISTED])
    return shown + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "") or "nothing"
