"""Saving checkpoints under the names that ablation studies use, for the trainer here and for other people's.

A training loop of one's own needs three calls::

    saver = CheckpointCallback("output", "V0", config={"n_head": 12})
    saver.evaluated(model, iteration=500, train_loss=3.1, val_loss=3.2, learning_rate=6e-4)   # at each evaluation
    saver.finished(model, iteration=10_000)                                                   # at the end

They leave ``best_model_stepV0.pt``, ``final_model_stepV0.pt`` and ``training_metrics_stepV0.json`` in ``output``. With
a gate, a fourth call after each step, ``saver.stepped(model, iteration=iteration)``, judges checkpoints on the way;
``saver.should_stop`` says whether one ends the training.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mechint.files import atomic_write
from mechint.training.curves import Curves
from mechint.training.gate import GateResult, SpecGate, is_main_process

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

__all__ = ["CheckpointCallback", "best_path", "final_path", "iteration_path", "metrics_path", "save_checkpoint"]


def final_path(output_dir: Path, step: str) -> Path:
    """Where the weights at the end of training go; ``step`` is the variant, such as ``V0``."""
    return output_dir / f"final_model_step{step}.pt"


def best_path(output_dir: Path, step: str) -> Path:
    """Where the weights with the lowest validation loss so far go."""
    return output_dir / f"best_model_step{step}.pt"


def iteration_path(output_dir: Path, step: str, iteration: int) -> Path:
    """Where the weights that a gate judges on the way go; one name for each variant, which may share the folder."""
    return output_dir / f"checkpoint_iter_{iteration}_step{step}.pt"


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
    """Keeps the curves of one training, saves the best and the final model, and has a gate judge them on the way.

    Every process of a distributed training may make the same calls; only the main one writes and judges.
    """

    def __init__(
        self, output_dir: Path | str, step: str, *, config: Mapping[str, object], gate: SpecGate | None = None
    ) -> None:
        self.output_dir = Path(output_dir)
        self.step = step
        self.config = config
        self.gate = gate
        self.best_val_loss = math.inf
        self.judged: list[GateResult] = []
        """What the gate has found, in the order of the steps."""
        self._curves = Curves()
        if gate is not None and is_main_process():
            gate.check_spec()

    @property
    def should_stop(self) -> bool:
        """Whether a checkpoint that was judged ends the training; the loop is to leave then."""
        return self.gate is not None and any(map(self.gate.stops, self.judged))

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
        self._curves.add(
            iteration=iteration,
            train_loss=train_loss,
            val_loss=val_loss,
            learning_rate=learning_rate,
            timestamp=time.time(),
        )
        if val_loss < self.best_val_loss:
            self.best_val_loss = val_loss
            self._save(best_path(self.output_dir, self.step), model, iteration, optimizer)

    def stepped(self, model: nn.Module, *, iteration: int) -> None:
        """After a training step: save ``checkpoint_iter_*.pt`` and have it judged, if the gate is due.

        Only the main process of a distributed training does so; ``agreed_by_all(saver.should_stop)`` tells the others.
        """
        if self.gate is not None and self.gate.is_due(iteration) and is_main_process():
            path = iteration_path(self.output_dir, self.step, iteration)
            self._save(path, model, iteration, None)
            self._judge(self.gate, path, iteration, f"step{iteration}")

    def finished(
        self,
        model: nn.Module,
        *,
        iteration: int,
        optimizer: Optimizer | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        """Save the final model and the curves; ``facts`` are further entries of the curves' file.

        The gate judges the final model, unless it has just judged the same iteration.
        """
        self.write_metrics(iteration=iteration, facts=facts)
        # Last, since a final model says that the training is complete.
        final = final_path(self.output_dir, self.step)
        self._save(final, model, iteration, optimizer)
        if self.gate is None or not is_main_process() or (self.judged and self.judged[-1].step == iteration):
            return
        self._judge(self.gate, final, iteration, "final")
        self.write_metrics(iteration=iteration, facts=facts)

    def write_metrics(self, *, iteration: int, facts: Mapping[str, object] | None = None) -> None:
        """Write the curves so far, and what the gate has found."""
        if not is_main_process():
            return
        found = {"gates": [result.facts for result in self.judged]} if self.gate else {}
        path = metrics_path(self.output_dir, self.step)
        self._curves.write(
            path, iteration=iteration, best_val_loss=self.best_val_loss, facts={**found, **(facts or {})}
        )

    def _judge(self, gate: SpecGate, path: Path, iteration: int, folder: str) -> None:
        self.judged.append(gate.judge(path, step=iteration, folder=f"{self.step}/{folder}"))

    def _save(self, path: Path, model: nn.Module, iteration: int, optimizer: Optimizer | None) -> None:
        if not is_main_process():
            return
        best = self.best_val_loss
        save_checkpoint(path, model, config=self.config, iteration=iteration, best_val_loss=best, optimizer=optimizer)
