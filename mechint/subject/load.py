"""From a checkpoint on disk to a frozen model with named sites."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mechint.checkpoint.checkpoint import Checkpoint, read_checkpoint
from mechint.checkpoint.config import read_config
from mechint.checkpoint.converted import converted_gguf
from mechint.checkpoint.folder import read_folder
from mechint.checkpoint.gguf_file import check_gguf, is_gguf
from mechint.spec.checkpoints import Source
from mechint.subject.architecture import Architecture
from mechint.subject.gpt2 import load_gpt2
from mechint.subject.precision import choose_autocast, choose_device, choose_dtype
from mechint.subject.recognise import recognise
from mechint.subject.selfcheck import check_sites
from mechint.subject.subject import Subject
from mechint.subject.tokenizer import tokenizer_for
from mechint.subject.transformers_model import build_model, read_shape, run_transformers

__all__ = ["load_subject"]


def load_subject(source: Source | str, architectures: Sequence[Architecture] = ()) -> Subject:
    """Load a checkpoint whole, frozen and in eval mode, with the names of its activations.

    ``architectures`` are the tables for models of transformers; those of the nanoGPT family are known. Nothing in the
    file is run. Raises CheckpointError where the file is unsafe or damaged, or where a single weight is missing,
    unknown, misshapen or not finite.
    """
    if isinstance(source, str):
        source = Source.at(source)
    device = choose_device(source.reference.device)
    opened = _open(source)
    subject = _nanogpt(source, opened) if opened.config is None else _transformers(source, opened, architectures)
    subject.model.to(device)
    return replace(subject, autocast=choose_autocast(source.reference.dtype, device, subject.shape.d_model))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Opened:
    """Weights, and the config that lay with them or that the spec names."""

    checkpoint: Checkpoint
    config: Mapping[str, Any] | None
    folder: str | None
    """Where a tokenizer may lie."""


def _open(source: Source) -> _Opened:
    path = source.path
    if is_gguf(path):
        sha256 = check_gguf(path)
        folder = read_folder(str(converted_gguf(path, sha256)))
        checkpoint = replace(folder.checkpoint, path=path, sha256=sha256)
        return _Opened(checkpoint=checkpoint, config=folder.config, folder=folder.checkpoint.path)
    if os.path.isdir(path):
        folder = read_folder(path)
        return _Opened(checkpoint=folder.checkpoint, config=folder.config, folder=path)
    checkpoint = read_checkpoint(path)
    if source.reference.config is not None:
        config_path = Path(source.reference.config)
        return _Opened(checkpoint=checkpoint, config=read_config(str(config_path)), folder=str(config_path.parent))
    beside = Path(path).parent / "config.json"
    if checkpoint.layout == "safetensors" and beside.is_file():
        return _Opened(checkpoint=checkpoint, config=read_config(str(beside)), folder=str(beside.parent))
    return _Opened(checkpoint=checkpoint, config=None, folder=None)


def _nanogpt(source: Source, opened: _Opened) -> Subject:
    model, architecture, shape = load_gpt2(opened.checkpoint, source.reference)
    return Subject(
        model=model.to(choose_dtype(source.reference.dtype)),
        architecture=architecture,
        shape=shape,
        name=source.name,
        sha256=opened.checkpoint.sha256,
        step=opened.checkpoint.step,
        tokenizer=tokenizer_for(source.reference, None, opened.checkpoint.facts),
    )


def _transformers(source: Source, opened: _Opened, architectures: Sequence[Architecture]) -> Subject:
    assert opened.config is not None
    model = build_model(opened.config, opened.checkpoint, choose_dtype(source.reference.dtype))

    def with_table(table: Architecture) -> Subject:
        return Subject(
            model=model,
            architecture=table,
            shape=read_shape(model, table),
            name=source.name,
            sha256=opened.checkpoint.sha256,
            step=opened.checkpoint.step,
            forward=run_transformers,
            tokenizer=tokenizer_for(source.reference, opened.folder, {}),
        )

    table = recognise(
        model, source.path, architectures, source.reference.architecture, lambda table: check_sites(with_table(table))
    )
    return with_table(table)
