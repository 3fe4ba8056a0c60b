"""From a checkpoint on disk to a frozen model with named sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from mechint.checkpoint.source import Found, read_source
from mechint.checkpoint.weights import is_finite
from mechint.codes import Code
from mechint.errors import CheckpointError
from mechint.spec.checkpoints import Source
from mechint.subject import tracr
from mechint.subject.architecture import Architecture
from mechint.subject.gpt2 import load_gpt2
from mechint.subject.nanogpt import UNEMBEDDING
from mechint.subject.precision import choose_autocast, choose_device, choose_dtype
from mechint.subject.recognise import recognise
from mechint.subject.selfcheck import check_sites
from mechint.subject.subject import Subject
from mechint.subject.tokenizer import tokenizer_for
from mechint.subject.transformers_model import build_model, find_unembedding, read_shape, run_transformers

__all__ = ["load_subject"]


def load_subject(source: Source | str, architectures: Sequence[Architecture] = ()) -> Subject:
    """Load a checkpoint whole, frozen and in eval mode, with the names of its activations.

    ``architectures`` are the tables for models of transformers; those of the nanoGPT family are known. Nothing in the
    file is run. Raises CheckpointError where the file is unsafe or damaged, where a single weight is missing, unknown,
    misshapen or not finite, or where no table fits.
    """
    if isinstance(source, str):
        source = Source.at(source)
    device = choose_device(source.reference.device)
    dtype = choose_dtype(source.reference.dtype)
    found = read_source(source)
    if found.config is None:
        subject = _nanogpt(source, found, dtype)
    elif found.config["model_type"] == tracr.MODEL_TYPE:
        subject = _tracr(source, found, dtype)
    else:
        subject = _transformers(source, found, architectures, dtype)
    subject.model.to(device)
    return replace(subject, autocast=choose_autocast(source.reference.dtype, device, subject.shape.d_model))


def _nanogpt(source: Source, found: Found, dtype: torch.dtype) -> Subject:
    model, architecture, shape = load_gpt2(found.checkpoint, source.reference)
    model.to(dtype)
    _refuse_not_finite(model, source.path)
    return Subject(
        model=model,
        architecture=architecture,
        shape=shape,
        name=source.name,
        sha256=found.checkpoint.sha256,
        step=found.checkpoint.step,
        unembedding=UNEMBEDDING,
        tokenizer=tokenizer_for(source.reference, None, found.checkpoint.facts),
    )


def _tracr(source: Source, found: Found, dtype: torch.dtype) -> Subject:
    assert found.config is not None
    if source.reference.architecture not in (None, tracr.TRACR.name):
        raise CheckpointError(
            f"{source.path}: its config says that it is a program of Tracr, and the spec says architecture "
            f"{source.reference.architecture!r}; leave that out",
            code=Code.FACTS,
        )
    model, architecture, shape = tracr.load_tracr(found.config, found.checkpoint)
    model.to(dtype)
    _refuse_not_finite(model, source.path)
    return Subject(
        model=model,
        architecture=architecture,
        shape=shape,
        name=source.name,
        sha256=found.checkpoint.sha256,
        step=None,
        unembedding=tracr.UNEMBEDDING,
        tokenizer=tokenizer_for(source.reference, found.folder, {}),
    )


def _transformers(source: Source, found: Found, architectures: Sequence[Architecture], dtype: torch.dtype) -> Subject:
    assert found.config is not None
    model = build_model(found.config, found.checkpoint, dtype)
    _refuse_not_finite(model, source.path)
    unembedding = find_unembedding(model)

    def with_table(table: Architecture) -> Subject:
        return Subject(
            model=model,
            architecture=table,
            shape=read_shape(model, table),
            name=source.name,
            sha256=found.checkpoint.sha256,
            step=found.checkpoint.step,
            forward=run_transformers,
            unembedding=unembedding,
            tokenizer=tokenizer_for(source.reference, found.folder, {}),
        )

    table = recognise(
        model, source.path, architectures, source.reference.architecture, lambda table: check_sites(with_table(table))
    )
    return with_table(table)


def _refuse_not_finite(model: nn.Module, path: str) -> None:
    """A weight may overflow when it is converted to a narrower type."""
    for name, weight in model.named_parameters():
        if not is_finite(weight):
            kind = str(weight.dtype).removeprefix("torch.")
            raise CheckpointError(
                f"{path}: {name} has values that {kind} cannot hold; state another dtype", code=Code.FACTS
            )
