"""Reading a checkpoint of one file: weights, and the plain facts saved beside them.

Layouts of torch.save::

    {"model": weights, "config": Namespace or dict, "iter_num", "best_val_loss", …}    the older tool's trainers
    {"model": weights, "model_args": dict, "config": dict, …}                          nanoGPT
    {"model_state_dict": weights, …} or {"state_dict": weights, …}                     common in other trainers
    weights                                                                            a bare state dict

A safetensors file holds the weights alone; the texts of its metadata are its facts, as numbers where they are numbers.
The names of weights may carry what torch.compile (``_orig_mod.``) and data-parallel training (``module.``) add.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from mechint.checkpoint.archive import check_archive
from mechint.checkpoint.kinds import tell_kind
from mechint.checkpoint.opened import OpenedFile, open_unchanged
from mechint.checkpoint.readers import refuse_replaced_readers
from mechint.checkpoint.safetensors_file import read_safetensors
from mechint.checkpoint.weights import check_weights
from mechint.codes import Code
from mechint.errors import CheckpointError

__all__ = ["FACTS_KEYS", "Checkpoint", "checkpoint_of", "loading", "read_checkpoint", "read_content"]

FACTS_KEYS = ("config", "model_args")
_WEIGHTS_KEYS = ("model", "model_state_dict", "state_dict")
_STEP_KEYS = ("iter_num", "iteration", "step", "global_step")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?")

Fact = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """What a file, or the files of a folder, hold, checked.

    Finite dense tensors on the CPU under plain names, and scalar facts.
    """

    path: str
    sha256: str
    """Of the file's bytes; of a folder, of the names and hashes of its config.json and weight files."""
    layout: str
    """``safetensors``, the key that the weights were under, or ``state_dict`` where they are the whole file."""
    weights: Mapping[str, Tensor]
    facts: Mapping[str, Fact]
    """Of ``config``, overlaid with ``model_args``, or of the metadata; entries that are no scalars are left out."""
    step: int | None
    best_val_loss: float | None


def read_checkpoint(path: str) -> Checkpoint:
    """Read a file of torch.save or safetensors without running anything in it; its content tells which it is.

    Raises CheckpointError for whatever is wrong with it, and for a file of torch.save PluginError where torch.load is
    not torch's own.
    """
    with open_unchanged(path) as file:
        kind = tell_kind(path, file.head)
        if kind == "gguf":
            raise CheckpointError(f"{path}: is a GGUF file, whose weights are read once they are converted")
        return _read_safetensors(file) if kind == "safetensors" else _read_archive(file)


def read_content(path: str) -> object:
    """What a file of torch.save holds, plain values and dense tensors, for files that are no checkpoint.

    Raises what ``read_checkpoint`` raises; its tensors are not looked at.
    """
    with open_unchanged(path) as file:
        if tell_kind(path, file.head) != "archive":
            raise CheckpointError(f"{path}: is not a file of torch.save")
        refuse_replaced_readers()
        check_archive(file)
        return _load(file)


def _read_safetensors(file: OpenedFile) -> Checkpoint:
    tensors, metadata, sha256 = read_safetensors(file)
    facts = {key: _parse_fact(text) for key, text in metadata.items()}
    return Checkpoint(
        path=file.path,
        sha256=sha256,
        layout="safetensors",
        weights=check_weights(file.path, tensors, file.size),
        facts=facts,
        step=_read_step(facts),
        best_val_loss=_read_number(facts, "best_val_loss"),
    )


def _parse_fact(text: str) -> Fact:
    """The number that a text of the metadata states, else the text."""
    if not _NUMBER.fullmatch(text):
        return text
    return float(text) if any(sign in text for sign in ".eE") else int(text)


def _read_archive(file: OpenedFile) -> Checkpoint:
    refuse_replaced_readers()
    check_archive(file)
    sha256 = file.sha256()
    return checkpoint_of(file, sha256, _load(file))


def checkpoint_of(file: OpenedFile, sha256: str, content: object) -> Checkpoint:
    """What the content of a file of torch.save is as a checkpoint; raises CheckpointError where it is none."""
    layout, found = _find_weights(file.path, content)
    return Checkpoint(
        path=file.path,
        sha256=sha256,
        layout=layout,
        weights=check_weights(file.path, found, file.size),
        facts=_read_facts(content),
        step=_read_step(content),
        best_val_loss=_read_number(content, "best_val_loss"),
    )


def _load(file: OpenedFile) -> object:
    with loading(file), torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(file.stream, map_location="cpu", weights_only=True)


@contextmanager
def loading(file: OpenedFile) -> Iterator[None]:
    """Raise as CheckpointError whatever torch raises for a file in the block."""
    try:
        yield
    # torch raises at least five kinds of error for a damaged or made-up file.
    except Exception as error:
        reason = re.split(r"\. |\n", str(error).strip())[0] or type(error).__name__
        raise CheckpointError(
            f"{file.path}: torch cannot read it ({reason[:200]}); copy or save it again", code=Code.DAMAGED
        ) from None


def _find_weights(path: str, content: object) -> tuple[str, Mapping[object, object]]:
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: holds a value of type {type(content).__name__}, not a dictionary of weights")
    under = [key for key in _WEIGHTS_KEYS if isinstance(content.get(key), Mapping)]
    if len(under) > 1:
        raise CheckpointError(f"{path}: holds weights under {' and '.join(map(repr, under))}; keep those to analyse")
    if under:
        return under[0], content[under[0]]
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return "state_dict", content
    if content and all(isinstance(value, Mapping) and "mask" in value for value in content.values()):
        raise CheckpointError(f"{path}: holds the masks of a finished analysis, not a model")
    keys = ", ".join(ascii(key)[:60] for key in list(content)[:8]) or "nothing"
    wanted = ", ".join(map(repr, _WEIGHTS_KEYS))
    raise CheckpointError(f"{path}: holds no weights; looked for {wanted} or a bare state dict, and found {keys}")


def _read_facts(content: object) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    for key in FACTS_KEYS:
        section = content.get(key) if isinstance(content, Mapping) else None
        entries = vars(section) if isinstance(section, argparse.Namespace) else section
        if isinstance(entries, Mapping):
            facts |= {name: value for name, value in entries.items() if isinstance(name, str) and _is_scalar(value)}
    return facts


def _is_scalar(value: object) -> bool:
    return value is None or type(value) in (str, int, float, bool)


def _read_step(content: object) -> int | None:
    for key in _STEP_KEYS:
        number = _read_number(content, key)
        if number is not None and number >= 0 and number == int(number):
            return int(number)
    return None


def _read_number(content: object, key: str) -> float | None:
    """A number that may be saved as a tensor of one value; None where there is none, or none that is finite."""
    value = content.get(key) if isinstance(content, Mapping) else None
    if isinstance(value, Tensor) and value.numel() == 1 and not value.is_complex():
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < float("inf") else None
