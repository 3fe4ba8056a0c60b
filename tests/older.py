"""An analysis as the older tool left it: masks, checkpoints of the search with its history, figures and a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

HEADS, WIDTH = 4, 8
ORDER_ON_DISK = sorted(range(12), key=lambda layer: f"transformer.h.{layer}.attn")
"""As that tool sorted its layers: 0, 1, 10, 11, 2, …"""


def save_older(folder: Path) -> Path:
    """Twelve layers of four heads of eight channels; layer l keeps its first l + 1 channels."""
    folder.mkdir(parents=True, exist_ok=True)
    logits = {f"transformer.h.{layer}.attn": _logits(layer) for layer in ORDER_ON_DISK}
    torch.save({name: _entry(values) for name, values in logits.items()}, folder / "final_masks.pt")
    (folder / "circuit_analysis_report.md").write_text("# KV Circuit Analysis Report\n")
    (folder / "kv_channel_importance.png").write_bytes(b"their figure")
    for step in (100, 400):
        torch.save(_checkpoint(logits, step), folder / f"checkpoint_step{step}.pt")
    return folder


def _logits(layer: int) -> torch.Tensor:
    values = torch.full((HEADS * WIDTH,), -2.0)
    values[: layer + 1] = 2.0
    return values.reshape(HEADS, WIDTH)


def _entry(logits: torch.Tensor) -> dict[str, Any]:
    importance = torch.sigmoid(logits)
    mask = (importance > 0.5).float()
    return {"logits": logits, "mask": mask, "importance": importance, "sparsity": 1.0 - mask.mean().item()}


def _checkpoint(logits: dict[str, torch.Tensor], step: int) -> dict[str, Any]:
    parameters = [torch.nn.Parameter(values.clone()) for values in logits.values()]
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    torch.stack([parameter.sum() for parameter in parameters]).sum().backward()
    optimizer.step()
    history = [_metrics(number) for number in range(0, step + 1, 10)]
    return {
        "step": step,
        "mask_logits": {name: values.clone() for name, values in logits.items()},
        "optimizer_state": optimizer.state_dict(),
        "metrics_history": history,
    }


def _metrics(step: int) -> dict[str, float | int]:
    progress = step / 500
    row: dict[str, float | int] = {
        "step": step,
        "loss": 10.8 + 0.1 * progress,
        "l1_loss": 0.5,
        "total_loss": 10.8005 + 0.1 * progress,
        "temperature": 1.0 - 0.9 * progress,
        "target_sparsity": 0.95 * progress**3,
        "current_sparsity": 0.066,
    }
    return {**row, "val_loss": 10.9} if step % 100 == 0 else row
