"""Everything that lies at a checkpoint's place: its weights, the config beside them, and where a tokenizer may be."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mechint.checkpoint.checkpoint import Checkpoint, read_checkpoint
from mechint.checkpoint.config import read_config
from mechint.checkpoint.converted import converted_gguf
from mechint.checkpoint.folder import read_folder
from mechint.checkpoint.gguf_file import check_gguf, is_gguf
from mechint.codes import Code
from mechint.errors import CheckpointError
from mechint.spec.checkpoints import Source

__all__ = ["Found", "read_source"]

_WITHOUT_FACTS = ("safetensors", "state_dict")
"""Layouts that hold weights alone, so that a config beside them is theirs."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """Weights, and the config that lies with them or that the spec names."""

    checkpoint: Checkpoint
    config: Mapping[str, Any] | None
    """None for a model that its weights alone describe."""
    folder: str | None
    """Where a tokenizer may lie."""


def read_source(source: Source) -> Found:
    """Read a file of torch.save, safetensors or GGUF, or a Hugging Face folder.

    Raises CheckpointError for whatever is wrong with it, where it is not the one that the spec pins, and where
    the spec states what the files say themselves.
    """
    found = _read(source)
    _refuse_other_bytes(source, found.checkpoint.sha256)
    if found.config is not None:
        _refuse_idle_facts(source)
    return found


def _read(source: Source) -> Found:
    path = source.path
    if is_gguf(path):
        _refuse_second_config(source)
        sha256 = check_gguf(path)
        folder = read_folder(str(converted_gguf(path, sha256)))
        checkpoint = replace(folder.checkpoint, path=path, sha256=sha256)
        return Found(checkpoint=checkpoint, config=folder.config, folder=folder.checkpoint.path)
    if os.path.isdir(path):
        _refuse_second_config(source)
        folder = read_folder(path)
        return Found(checkpoint=folder.checkpoint, config=folder.config, folder=path)
    checkpoint = read_checkpoint(path)
    config = _find_config(source, checkpoint)
    if config is None:
        return Found(checkpoint=checkpoint, config=None, folder=None)
    return Found(checkpoint=checkpoint, config=read_config(str(config)), folder=str(config.parent))


def _find_config(source: Source, checkpoint: Checkpoint) -> Path | None:
    """The config that the spec names, else the one beside weights that state nothing themselves."""
    if source.reference.config is not None:
        return Path(source.reference.config)
    beside = Path(source.path).parent / "config.json"
    return beside if checkpoint.layout in _WITHOUT_FACTS and beside.is_file() else None


def _refuse_other_bytes(source: Source, sha256: str) -> None:
    pinned = source.reference.sha256
    if pinned is not None and pinned != sha256:
        raise CheckpointError(
            f"{source.name}: has the sha256 {sha256}, and the spec states {pinned}\n"
            "  hint: it is another or was changed; if it is the one you mean, state the sha256 that doctor prints"
        )


def _refuse_second_config(source: Source) -> None:
    if source.reference.config is not None:
        raise CheckpointError(f"{source.name}: brings its own config; leave out checkpoints.config", code=Code.FACTS)


def _refuse_idle_facts(source: Source) -> None:
    for fact in ("n_head", "activation"):
        if getattr(source.reference, fact) is not None:
            raise CheckpointError(
                f"{source.name}: its config says its {fact}; leave out checkpoints.{fact}", code=Code.FACTS
            )
