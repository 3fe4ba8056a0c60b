"""Reading the checkpoints of the nanoGPT family: weights, and the plain facts saved beside them.

Layouts::

    {"model": weights, "config": Namespace or dict, "iter_num", "best_val_loss", …}    the older tool's trainers
    {"model": weights, "model_args": dict, "config": dict, …}                          nanoGPT
    {"model_state_dict": weights, …} or {"state_dict": weights, …}                     common in other trainers
    weights                                                                            a bare state dict

The names of weights may carry what torch.compile (``_orig_mod.``) and data-parallel training (``module.``) add.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mechint.checkpoint.archive import open_verified
from mechint.errors import CheckpointError

__all__ = ["Checkpoint", "read_checkpoint"]

_WEIGHTS_KEYS = ("model", "model_state_dict", "state_dict")
_STEP_KEYS = ("iter_num", "iteration", "step", "global_step")
_FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_FLAGS = (torch.bool, torch.uint8)
_MOST_WEIGHTS = 100_000
_NAME = re.compile(r"[!-~]{1,200}")

Fact = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """What one file holds, checked: finite dense tensors on the CPU under plain names, and scalar facts."""

    path: str
    sha256: str
    """Of the file's bytes."""
    layout: str
    """The key that the weights were under, or ``state_dict`` where they are the whole file."""
    weights: Mapping[str, Tensor]
    facts: Mapping[str, Fact]
    """Of ``config``, overlaid with ``model_args``; entries that are no scalars are left out."""
    step: int | None
    best_val_loss: float | None


def read_checkpoint(path: str) -> Checkpoint:
    """Read a ``.pt`` file without running anything in it. Raises CheckpointError for whatever is wrong with it."""
    with open_verified(path) as (stream, sha256):
        try:
            with torch.serialization.safe_globals([argparse.Namespace]):
                content = torch.load(stream, map_location="cpu", weights_only=True)
        # torch raises at least five kinds of error for a damaged or made-up file.
        except Exception as error:
            reason = re.split(r"\. |\n", str(error).strip())[0] or type(error).__name__
            raise CheckpointError(f"{path}: torch cannot read it ({reason[:200]}); copy or save it again") from None
        size = stream.seek(0, 2)
    layout, found = _find_weights(path, content)
    return Checkpoint(
        path=path,
        sha256=sha256,
        layout=layout,
        weights=_check_weights(path, found, size),
        facts=_read_facts(content),
        step=_read_step(content),
        best_val_loss=_read_number(content, "best_val_loss"),
    )


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


def _check_weights(path: str, found: Mapping[object, object], size: int) -> dict[str, Tensor]:
    """The tensors under their plain names; ``size`` is the file's, in bytes."""
    if not found or len(found) > _MOST_WEIGHTS:
        raise CheckpointError(f"{path}: holds {len(found):,} weights; expected between 1 and {_MOST_WEIGHTS:,}")
    weights: dict[str, Tensor] = {}
    total = 0
    for key, value in found.items():
        if not isinstance(key, str) or not _NAME.fullmatch(key):
            raise CheckpointError(f"{path}: {ascii(key)[:100]} is no name of a weight")
        if not isinstance(value, Tensor) or type(value) not in (Tensor, nn.Parameter):
            raise CheckpointError(f"{path}: {key} is of type {type(value).__name__}, no tensor")
        name = _plain_name(key)
        if name in weights:
            raise CheckpointError(f"{path}: holds two weights named {name}, under different prefixes")
        total += _check_tensor(f"{path}: {name}", value)
        # A tied tensor may stand in the file once and be named twice, but no more than that.
        if total > 2 * size:
            raise CheckpointError(f"{path}: its weights claim more than twice the bytes of the file")
        weights[name] = value.detach()
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            count = int((~torch.isfinite(tensor)).sum())
            raise CheckpointError(
                f"{path}: {name} has {count:,} of {tensor.numel():,} values that are NaN or infinite; the training "
                "diverged or the file is damaged, so take an earlier checkpoint"
            )
    return weights


def _check_tensor(place: str, tensor: Tensor) -> int:
    """Refuse a tensor that is not dense, of a usual kind and wholly in the file; return its size in bytes."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        raise CheckpointError(f"{place} is sparse, quantised or without data; save it as a dense tensor")
    if tensor.dtype not in (*_FLOATS, *_FLAGS):
        kinds = ", ".join(str(dtype).removeprefix("torch.") for dtype in _FLOATS)
        raise CheckpointError(f"{place} is of kind {str(tensor.dtype).removeprefix('torch.')}; weights are {kinds}")
    # More values than bytes stand behind it: a view with stride 0 can claim 10^12 of them.
    claimed = tensor.numel() * tensor.element_size()
    if claimed > tensor.untyped_storage().nbytes():
        raise CheckpointError(f"{place} claims {claimed:,} bytes and has {tensor.untyped_storage().nbytes():,}")
    return claimed


def _plain_name(key: str) -> str:
    parts = [part for part in key.split(".") if part != "_orig_mod"]
    while parts and parts[0] == "module":
        parts.pop(0)
    return ".".join(parts)


def _read_facts(content: object) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    for key in ("config", "model_args"):
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
