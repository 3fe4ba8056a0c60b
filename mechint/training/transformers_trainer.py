"""A callback for the Trainer of transformers: the names that ablation studies use, and gates on the way.

::

    gate = SpecGate(spec="specs/kv_ablation.yaml", every=500, stop_on_failure=True)
    trainer = Trainer(model=model, args=args, callbacks=[MechintCallback("output", "V0", gate=gate)])

leaves the folders ``final_model_stepV0`` and ``best_model_stepV0`` and the file ``training_metrics_stepV0.json`` in
``output``, and judges the Trainer's own ``checkpoint-500``, ``checkpoint-1000`` and so on, then the final model.
"""

# The Trainer hands every event the same arguments, whether it needs them or not.
# ruff: noqa: ARG002

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DataParallel, DistributedDataParallel
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from mechint.errors import UsageError
from mechint.training.checkpoints import best_path, final_path, metrics_path
from mechint.training.curves import Curves
from mechint.training.folders import refuse_strangers, replaced_folder
from mechint.training.gate import GateResult, SpecGate, agreed_by_all

__all__ = ["MechintCallback"]

logger = logging.getLogger(__name__)

_PATIENCE = 0.9


class MechintCallback(TrainerCallback):
    """Saves the best and the final model and the curves of one training, and has a gate judge checkpoints."""

    def __init__(
        self, output_dir: Path | str, name: str, *, gate: SpecGate | None = None, loss: str = "eval_loss"
    ) -> None:
        """``name`` is the variant, such as ``V0``; ``loss`` what an evaluation calls the loss that chooses the best."""
        self.output_dir = Path(output_dir)
        self.name = name
        self.gate = gate
        self.loss = loss
        self.judged: list[GateResult] = []
        """What the gate has found, in the order of the steps; empty on all but the main process."""
        self.should_stop = False
        """Whether a checkpoint that was judged ends the training; the same on every process."""
        self._best = math.inf
        self._times: dict[int, float] = {}
        self._training = False
        self._requested: int | None = None

    @property
    def final(self) -> Path:
        """The folder of the final model."""
        return final_path(self.output_dir, self.name).with_suffix("")

    @property
    def best(self) -> Path:
        """The folder of the model with the lowest loss so far."""
        return best_path(self.output_dir, self.name).with_suffix("")

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """Refuse what could not be saved or judged later, while the training has cost nothing."""
        if state.is_hyper_param_search:
            raise UsageError("a search over hyperparameters trains many models, and MechintCallback has one name")
        _refuse_unsavable(given["model"])
        self._training, self._requested, self.should_stop = True, None, False
        self.judged.clear()
        self._times.clear()
        # A training that goes on from a checkpoint knows its history.
        losses = [entry[self.loss] for entry in state.log_history if self.loss in entry]
        self._best = min(filter(math.isfinite, losses), default=math.inf)
        if state.is_world_process_zero:
            refuse_strangers(self.final)
            refuse_strangers(self.best)
            if self.gate is not None:
                self.gate.check_spec()

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Save the model if it is the best so far, and the curves; evaluations outside a training do not count."""
        loss = given["metrics"].get(self.loss)
        if loss is None or not (self._training and state.is_world_process_zero):
            return
        self._times[state.global_step] = time.time()
        if loss < self._best:
            self._best = loss
            _save(self.best, given["model"], given["processing_class"])
        self._write_curves(state)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Have the Trainer write its checkpoint where the gate is due; the last step's model is the final one."""
        self._warn_of_unwritten(state)
        if self.gate is not None and self.gate.is_due(state.global_step) and not control.should_training_stop:
            self._requested = state.global_step
            control.should_save = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Have the gate judge the checkpoint that it asked for."""
        if self.gate is not None and self._requested == state.global_step:
            self._requested = None
            folder = Path(args.output_dir or "") / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
            self._judge(self.gate, folder, args, state, f"step{state.global_step}")
            control.should_training_stop = control.should_training_stop or self.should_stop

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Save the final model and the curves, and have the gate judge it."""
        self._training = False
        self._warn_of_unwritten(state)
        if state.is_world_process_zero:
            self._warn_without_losses(state)
            self._write_curves(state)
            # Last, since a final model says that the training is complete.
            _save(self.final, given["model"], given["processing_class"])
        if self.gate is None or self._has_judged_final(args, state):
            return
        self._judge(self.gate, self.final, args, state, "final")
        if state.is_world_process_zero:
            self._write_curves(state)

    def _has_judged_final(self, args: TrainingArguments, state: TrainerState) -> bool:
        """Whether the gate has just seen the final weights; after loading the best ones it may not have."""
        seen = bool(self.judged) and self.judged[-1].step == state.global_step and not args.load_best_model_at_end
        return agreed_by_all(seen)

    def _judge(
        self, gate: SpecGate, checkpoint: Path, args: TrainingArguments, state: TrainerState, folder: str
    ) -> None:
        """Judge on the main process; the others wait for its decision."""
        if state.is_world_process_zero:
            patient = _patient(gate, args)
            self.judged.append(patient.judge(checkpoint, step=state.global_step, folder=f"{self.name}/{folder}"))
        self.should_stop = agreed_by_all(any(map(gate.stops, self.judged)))

    def _write_curves(self, state: TrainerState) -> None:
        facts = {"gates": [result.facts for result in self.judged]} if self.gate else {}
        curves = _curves(state.log_history, self.loss, self._times)
        path = metrics_path(self.output_dir, self.name)
        curves.write(path, iteration=state.global_step, best_val_loss=self._best, facts=facts)

    def _warn_of_unwritten(self, state: TrainerState) -> None:
        if self._requested is not None and state.is_world_process_zero:
            logger.warning(
                "gate: the Trainer wrote no checkpoint after step %s, so it was not judged; "
                "save_strategy='best' saves at no other time",
                self._requested,
            )
        self._requested = None

    def _warn_without_losses(self, state: TrainerState) -> None:
        evaluated = [entry for entry in state.log_history if any(name.startswith("eval_") for name in entry)]
        if evaluated and not any(self.loss in entry for entry in evaluated):
            found = sorted({name for entry in evaluated for name in entry if name.endswith("_loss")})
            logger.warning(
                "no evaluation gave %s, so no best model was saved; they gave %s: name one as loss=", self.loss, found
            )


def _refuse_unsavable(model: nn.Module) -> None:
    if not hasattr(_unwrapped(model), "save_pretrained"):
        raise UsageError(f"{type(model).__name__} has no save_pretrained; use mechint.training.checkpoints instead")
    sharded = any(isinstance(module, FullyShardedDataParallel) for module in model.modules()) or any(
        isinstance(weight, DTensor) or hasattr(weight, "ds_id") for weight in model.parameters()
    )
    if sharded:
        raise UsageError(
            "the model is sharded over processes (FSDP, tensor parallel or ZeRO-3), and MechintCallback saves from "
            "one; run the spec on what trainer.save_model writes"
        )


def _unwrapped(model: nn.Module) -> Any:
    """The model without the wrappers of distributed training and torch.compile, in whatever order they are."""
    inner = model.module if isinstance(model, DistributedDataParallel | DataParallel) else model
    inner = getattr(inner, "_orig_mod", inner)
    return model if inner is model else _unwrapped(inner)


def _save(folder: Path, model: nn.Module, processing_class: Any) -> None:
    with replaced_folder(folder) as made:
        _unwrapped(model).save_pretrained(made)
        if processing_class is not None:
            processing_class.save_pretrained(made)


def _patient(gate: SpecGate, args: TrainingArguments) -> SpecGate:
    """The gate, giving up before the other processes take the main one for dead."""
    if args.world_size == 1:
        return gate
    longest = _PATIENCE * args.ddp_timeout
    return replace(gate, timeout=min(longest, gate.timeout or longest))


def _curves(history: Sequence[Mapping[str, float]], loss: str, times: Mapping[int, float]) -> Curves:
    """The series from the Trainer's own log; a training loss is the last one before its evaluation."""
    curves = Curves()
    train_loss = learning_rate = None
    for entry in history:
        train_loss = entry.get("loss", train_loss)
        learning_rate = entry.get("learning_rate", learning_rate)
        if loss in entry:
            step = int(entry["step"])
            curves.add(
                iteration=step,
                train_loss=train_loss,
                val_loss=entry[loss],
                learning_rate=learning_rate,
                timestamp=times.get(step),
            )
    return curves
