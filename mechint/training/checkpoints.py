"""Saving checkpoints under the names that ablation studies use, for the trainer here and for other people's.

A training loop of one's own needs three calls::

    saver = CheckpointCallback("output", "V0", config={"n_head": 12})
    saver.evaluated(model, iteration=500, train_loss=3.1, val_loss=3.2, learning_rate=6e-4)   # at each evaluation
    saver.finished(model, iteration=10_000)                                                   # at the end

They leave ``best_model_stepV0.pt``, ``final_model_stepV0.pt`` and ``training_metrics_stepV0.json`` in ``output``.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mechint.files import atomic_write, write_text

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

__all__ = ["CheckpointCallback", "best_path", "final_path", "metrics_path", "save_checkpoint"]

_SERIES = (
    *("train_losses", "val_losses", "train_perplexities", "val_perplexities"),
    *("learning_rates", "timestamps", "iterations"),
)


def final_path(output_dir: Path, step: str) -> Path:
    """Where the weights at the end of training go; ``step`` is the variant, such as ``V0``."""
    return output_dir / f"final_model_step{step}.pt"


def best_path(output_dir: Path, step: str) -> Path:
    """Where the weights with the lowest validation loss so far go."""
    return output_dir / f"best_model_step{step}.pt"


def metrics_path(output_dir: Path, step: str) -> Path:
    """Where the curves of the training go."""
    return output_dir / f"training_metrics_step{step}.json"


def save_checkpoint(
    path: Path,
    model: nn.Module,
    *,
    config: Mapping[str, object],
    iteration: int,
    best_val_loss: float,
    optimizer: Optimizer | None = None,
) -> None:
    """Write a checkpoint that ``load_subject`` reads, in one step.

    ``config`` holds plain values (text, numbers, booleans, None) and says ``n_head``, which no weight shows. Raises
    ValueError where it does not, since the file could not be loaded later.
    """
    strange = [
        name for name, value in config.items() if value is not None and type(value) not in (str, int, float, bool)
    ]
    if strange:
        raise ValueError(f"config.{strange[0]} is a {type(config[strange[0]]).__name__}; only plain values load safely")
    if not isinstance(config.get("n_head"), int):
        raise ValueError("config has no n_head, and the number of heads cannot be told from the weights; add it")
    content: dict[str, object] = {
        "model": model.state_dict(),
        "iter_num": int(iteration),
        "best_val_loss": float(best_val_loss),
        "config": argparse.Namespace(**config),
    }
    if optimizer is not None:
        content["optimizer"] = optimizer.state_dict()
    with atomic_write(path) as stream:
        torch.save(content, stream)


class CheckpointCallback:
    """Keeps the curves of one training, and saves the best, the final and the interrupted model."""

    def __init__(self, output_dir: Path | str, step: str, *, config: Mapping[str, object]) -> None:
        self.output_dir = Path(output_dir)
        self.step = step
        self.config = config
        self.best_val_loss = math.inf
        self._series: dict[str, list[float]] = {name: [] for name in _SERIES}

    def evaluated(
        self,
        model: nn.Module,
        *,
        iteration: int,
        train_loss: float,
        val_loss: float,
        learning_rate: float,
        optimizer: Optimizer | None = None,
    ) -> None:
        """Note one evaluation (losses in nats per token) and save the model if it is the best so far."""
        values = (train_loss, val_loss, _perplexity(train_loss), _perplexity(val_loss), learning_rate, time.time())
        for name, value in zip(_SERIES, (*values, iteration), strict=True):
            self._series[name].append(value)
        if val_loss < self.best_val_loss:
            self.best_val_loss = val_loss
            self._save(best_path(self.output_dir, self.step), model, iteration, optimizer)

    def finished(
        self,
        model: nn.Module,
        *,
        iteration: int,
        optimizer: Optimizer | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        """Save the final model and the curves; ``facts`` are further entries of the curves' file."""
        self.write_metrics(iteration=iteration, facts=facts)
        # Last, since a final model says that the training is complete.
        self._save(final_path(self.output_dir, self.step), model, iteration, optimizer)

    def write_metrics(self, *, iteration: int, facts: Mapping[str, object] | None = None) -> None:
        """Write the curves so far."""
        best = self.best_val_loss if math.isfinite(self.best_val_loss) else None
        content = {"final_iteration": iteration, "best_val_loss": best, **(facts or {}), "metrics": self._series}
        write_text(metrics_path(self.output_dir, self.step), json.dumps(content, indent=1) + "\n")

    def _save(self, path: Path, model: nn.Module, iteration: int, optimizer: Optimizer | None) -> None:
        best = self.best_val_loss
        save_checkpoint(path, model, config=self.config, iteration=iteration, best_val_loss=best, optimizer=optimizer)


def _perplexity(loss: float) -> float:
    return math.exp(loss) if loss < 700 else math.inf
