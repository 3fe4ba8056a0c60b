"""On what a model runs, and in what numbers."""

from __future__ import annotations

import torch

from mechint.codes import Code
from mechint.errors import CheckpointError

__all__ = ["choose_autocast", "choose_device", "choose_dtype"]

_NARROWEST = 256
"""Width of the narrowest model whose search gains from bfloat16 on a CPU: a quarter of its time was saved at 128 on an
AVX512-BF16 processor, about 40 % from 256 on."""


def choose_device(asked: str) -> torch.device:
    """The device that a spec asks for, or the best that there is; CheckpointError where it is missing."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if asked == "auto":
        return torch.device(next(name for name, available in there.items() if available))
    if not there[asked]:
        usable = ", ".join(name for name, available in there.items() if available)
        raise CheckpointError(
            f"checkpoints.device is {asked}, which torch does not find here; there is {usable}", code=Code.FACTS
        )
    return torch.device(asked)


def choose_dtype(asked: str) -> torch.dtype:
    """Of the weights, and so of every measurement: float32 unless the spec asks for another."""
    return {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(asked, torch.float32)


def choose_autocast(asked: str, device: torch.device, d_model: int) -> torch.dtype | None:
    """What a search multiplies in: under ``auto`` bfloat16 where the processor gains; None for the weights' dtype."""
    return torch.bfloat16 if asked == "auto" and _gains(device, d_model) else None


def _gains(device: torch.device, d_model: int) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return d_model >= _NARROWEST and bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False
