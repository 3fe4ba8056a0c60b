"""What the weights of a checkpoint must be, whatever file they come from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mechint.checkpoint.sizes import MOST_WEIGHTS
from mechint.codes import Code
from mechint.errors import CheckpointError

__all__ = ["WEIGHT_NAME", "check_tensor", "check_weights", "idle_matrices", "is_finite", "plain_name"]

WEIGHT_NAME = re.compile(r"[!-~]{1,200}")

_FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_TINY = torch.finfo(torch.float32).tiny
_FLAGS = (torch.bool, torch.uint8)


def check_weights(path: str, found: Mapping[Any, object], size: int) -> dict[str, Tensor]:
    """The weights under their plain names; ``size`` is the file's, in bytes.

    Raises CheckpointError unless all are finite dense tensors in memory of their own.
    """
    if not found or len(found) > MOST_WEIGHTS:
        raise CheckpointError(
            f"{path}: holds {len(found):,} weights; expected between 1 and {MOST_WEIGHTS:,}", code=Code.DAMAGED
        )
    weights: dict[str, Tensor] = {}
    total = 0
    for key, value in found.items():
        if not isinstance(key, str) or not WEIGHT_NAME.fullmatch(key):
            raise CheckpointError(f"{path}: {ascii(key)[:100]} is no name of a weight", code=Code.DAMAGED)
        if not isinstance(value, Tensor) or type(value) not in (Tensor, nn.Parameter):
            raise CheckpointError(f"{path}: {key} is of type {type(value).__name__}, no tensor", code=Code.CHECKPOINT)
        name = plain_name(key)
        if name in weights:
            raise CheckpointError(
                f"{path}: holds two weights named {name}, under different prefixes", code=Code.DAMAGED
            )
        total += check_tensor(f"{path}: {name}", value)
        # A tied tensor may stand in the file once and be named twice, but no more than that.
        if total > 2 * size:
            raise CheckpointError(f"{path}: its weights claim more than twice the bytes of the file", code=Code.DAMAGED)
        weights[name] = value.detach()
    for name, tensor in weights.items():
        _refuse_not_finite(path, name, tensor)
    return weights


def check_tensor(place: str, tensor: Tensor) -> int:
    """Refuse a tensor that is not dense, of a usual kind and wholly in the file; return its size in bytes."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        raise CheckpointError(
            f"{place} is sparse, quantised or without data; save it as a dense tensor", code=Code.CHECKPOINT
        )
    if tensor.dtype not in (*_FLOATS, *_FLAGS):
        kinds = ", ".join(str(dtype).removeprefix("torch.") for dtype in _FLOATS)
        raise CheckpointError(
            f"{place} is of kind {str(tensor.dtype).removeprefix('torch.')}; weights are {kinds}", code=Code.DAMAGED
        )
    # More values than bytes stand behind it: a view with stride 0 can claim 10^12 of them.
    claimed = tensor.numel() * tensor.element_size()
    if claimed > tensor.untyped_storage().nbytes():
        raise CheckpointError(
            f"{place} claims {claimed:,} bytes and has {tensor.untyped_storage().nbytes():,}", code=Code.DAMAGED
        )
    if tensor.dtype == torch.bool and tensor.numel() and tensor.contiguous().view(torch.uint8).max() > 1:
        raise CheckpointError(
            f"{place} has values that are neither true nor false, so the file is damaged", code=Code.DAMAGED
        )
    return claimed


def plain_name(key: str) -> str:
    """A weight's name without what torch.compile (``_orig_mod.``) and data-parallel training (``module.``) add."""
    parts = [part for part in key.split(".") if part != "_orig_mod"]
    while parts and parts[0] == "module":
        parts.pop(0)
    return ".".join(parts)


def is_finite(tensor: Tensor) -> bool:
    """Whether no value is NaN or infinite.

    The extremes tell, which takes a hundredth of the time and none of the memory of a mask; NaN is both of them.
    """
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    low, high = torch.aminmax(tensor)
    return bool(torch.isfinite(low) and torch.isfinite(high))


def idle_matrices(weights: Iterable[tuple[str, Tensor]]) -> list[str]:
    """The names of matrices that hold zeros and denormal numbers alone, as training leaves no matrix that it uses."""
    return [
        name
        for name, tensor in weights
        if tensor.dim() > 1 and tensor.is_floating_point() and tensor.numel() and _largest(tensor) < _TINY
    ]


def _largest(tensor: Tensor) -> float:
    low, high = torch.aminmax(tensor.detach())
    return max(-float(low), float(high))


def _refuse_not_finite(path: str, name: str, tensor: Tensor) -> None:
    if is_finite(tensor):
        return
    # Older GPT-2 and GPT-NeoX files hold the number that hid later tokens, -1e9, which is -inf in float16. Nothing
    # reads it.
    if name.endswith(".masked_bias") and tensor.numel() == 1 and tensor.item() == float("-inf"):
        return
    count = int((~torch.isfinite(tensor)).sum())
    raise CheckpointError(
        f"{path}: {name} has {count:,} of {tensor.numel():,} values that are NaN or infinite; the training "
        "diverged or the file is damaged, so take an earlier checkpoint",
        code=Code.CHECKPOINT,
    )
