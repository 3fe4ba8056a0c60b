"""The reference trainer: small GPT-2 variants on real text, in one to two minutes each on two cores, and toys."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from torch import Tensor

from mechint.subject.nanogpt import GPT
from mechint.training.checkpoints import CheckpointCallback, best_path, final_path, metrics_path, save_checkpoint
from mechint.training.data import NOT_SCORED, Batch, TrainingData
from mechint.training.hand_induction import build_hand_induction
from mechint.training.known_circuits import known_path, write_known_circuit
from mechint.training.recipe import Optimisers, Recipe, init_model
from mechint.training.stdlib_data import prepare_stdlib
from mechint.training.text_data import read_text
from mechint.training.toy_data import modular_sums, repeated_tokens
from mechint.training.variants import Data, Variant, choose_variants

__all__ = ["Measured", "evaluate", "train"]


def train(
    variants: Sequence[str],
    output_dir: Path,
    data_dir: Path,
    *,
    seed: int = 0,
    steps: int | None = None,
    force: bool = False,
    console: Console | None = None,
) -> None:
    """Train the variants that have no final checkpoint in ``output_dir`` yet, and print what all of them reach.

    ``data_dir`` receives the text where a variant needs it and it does not hold it. With ``force`` every variant is
    trained anew. Ctrl-C leaves the best model and the curves so far, and no final checkpoint, so that the next call
    trains the variant again. Raises UsageError for an unknown variant, DataError where there is no text.
    """
    chosen = choose_variants(variants)
    console = console or Console()
    missing = [v for v in chosen if force or not final_path(output_dir, v.name).exists()]
    read: dict[Data, TrainingData] = {}
    for variant in missing:
        known_path(output_dir, variant.name).unlink(missing_ok=True)
        if variant.by_hand is not None:
            _build_variant(variant, output_dir)
            continue
        recipe = variant.recipe if steps is None else replace(variant.recipe, steps=steps)
        data = read[variant.data] = read.get(variant.data) or _prepare_data(variant, data_dir, seed)
        _train_variant(replace(variant, recipe=recipe), data, output_dir, seed, console)
    for variant in chosen:
        if not known_path(output_dir, variant.name).exists():
            write_known_circuit(variant, output_dir)
    _print_summary(chosen, missing, output_dir, console)


def _prepare_data(variant: Variant, data_dir: Path, seed: int) -> TrainingData:
    match variant.data:
        case "stdlib":
            return read_text(prepare_stdlib(data_dir), variant.shape)
        case "repeated_tokens":
            return repeated_tokens(variant.shape)
        case "modular_sums":
            return modular_sums(variant.shape, seed)


def _build_variant(variant: Variant, output_dir: Path) -> None:
    """Save a model whose weights are set by hand; it has no losses and no best model before the final one."""
    assert variant.by_hand is not None
    model = build_hand_induction(variant.by_hand)
    path = final_path(output_dir, variant.name)
    save_checkpoint(path, model, config={**_shape(variant), "step": variant.name}, iteration=0, best_val_loss=math.inf)


def _train_variant(variant: Variant, data: TrainingData, output_dir: Path, seed: int, console: Console) -> None:
    recipe = variant.recipe
    model = init_model(variant.shape, seed, recipe)
    saver = CheckpointCallback(output_dir, variant.name, config=_facts(variant, data, seed))
    started = time.monotonic()
    losses = TextColumn("{task.fields[losses]}")
    state = _State(done=0, train_loss=float("nan"))
    try:
        with (
            _threads(recipe),
            Progress(
                TextColumn("{task.description}"), BarColumn(), losses, TimeRemainingColumn(), console=console
            ) as bars,
        ):
            bar = bars.add_task(f"{variant.name} {variant.summary}", total=recipe.steps, losses="")
            for state in _steps(model, data, recipe, saver, seed):
                bars.update(bar, completed=state.done, losses=_shown(state, saver))
    except KeyboardInterrupt:
        if state.done:
            _evaluate(model, data, recipe, saver, state)
            saver.write_metrics(iteration=state.done, facts=data.measured)
        console.print(f"{variant.name} stopped after {state.done} of {recipe.steps} steps", highlight=False)
        if state.done:
            kept = f"the best model so far is in {best_path(output_dir, variant.name)}"
            console.print(kept, highlight=False, markup=False, soft_wrap=True)
        raise
    seconds = round(time.monotonic() - started, 1)
    accuracy = evaluate(model, data.held_out).accuracy
    facts = {**data.measured, "val_accuracy": accuracy, "seconds": seconds}
    saver.finished(model, iteration=state.done, facts=facts)


def _facts(variant: Variant, data: TrainingData, seed: int) -> dict[str, object]:
    """What a checkpoint says of itself; what its weights show need not be among it."""
    return {**_shape(variant), "step": variant.name, **data.facts, "seed": seed, **asdict(variant.recipe)}


def _shape(variant: Variant) -> dict[str, object]:
    return {name: value for name, value in asdict(variant.shape).items() if isinstance(value, int | str)}


@contextmanager
def _threads(recipe: Recipe) -> Iterator[None]:
    """Compute on as many threads as the recipe says."""
    before = torch.get_num_threads()
    torch.set_num_threads(recipe.threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """How far a training has come."""

    done: int
    """Steps."""
    train_loss: float
    """Nats per token, a moving average."""


def _shown(state: _State, saver: CheckpointCallback) -> str:
    best = f" val {saver.best_val_loss:.3f}" if math.isfinite(saver.best_val_loss) else ""
    return f"loss {state.train_loss:.3f}{best}"


def _steps(model: GPT, data: TrainingData, recipe: Recipe, saver: CheckpointCallback, seed: int) -> Iterator[_State]:
    """Train, step by step."""
    optimisers = Optimisers(model, recipe)
    generator = torch.Generator().manual_seed(seed)
    recent = 0.0
    for step in range(recipe.steps):
        loss = _loss(model, data.draw(recipe.batch_size, generator))
        optimisers.step(loss, step)
        recent = loss.item() if step == 0 else 0.95 * recent + 0.05 * loss.item()
        state = _State(done=step + 1, train_loss=recent)
        if recipe.is_evaluated(step):
            _evaluate(model, data, recipe, saver, state)
        yield state


def _evaluate(model: GPT, data: TrainingData, recipe: Recipe, saver: CheckpointCallback, state: _State) -> None:
    """Measure the model on the held-out examples, and keep it if it is the best so far."""
    saver.evaluated(
        model,
        iteration=state.done,
        train_loss=state.train_loss,
        val_loss=evaluate(model, data.held_out).loss,
        learning_rate=recipe.matrix_lr * recipe.rate(state.done - 1),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Means over everything that is to be predicted."""

    loss: float
    """Nats per token."""
    accuracy: float
    """How often the right token is the most probable one."""


@torch.no_grad()
def evaluate(model: GPT, examples: Batch) -> Measured:
    """How well a model predicts some examples."""
    loss, right = 0.0, 0
    for tokens, targets in zip(examples.tokens.split(64), examples.targets.split(64), strict=True):
        logits = model(tokens)  # [b p v]
        loss += _cross_entropy(logits, targets, "sum").item()
        right += int((logits.argmax(-1) == targets).sum())
    count = int(examples.scored.sum())
    return Measured(loss=loss / count, accuracy=right / count)


def _loss(model: GPT, batch: Batch) -> Tensor:
    return _cross_entropy(model(batch.tokens), batch.targets, "mean")


def _cross_entropy(logits: Tensor, targets: Tensor, reduction: str) -> Tensor:
    """Of logits ``[b p v]`` where targets ``[b p]`` are scored."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction=reduction, ignore_index=NOT_SCORED)


def _print_summary(chosen: Sequence[Variant], trained: Sequence[Variant], output_dir: Path, console: Console) -> None:
    table = Table("variant", "val loss", "bigram", "accuracy", "seconds", "")
    for variant in chosen:
        made = "trained" if variant.by_hand is None else "set by hand"
        table.add_row(variant.name, *_figures(output_dir, variant), made if variant in trained else "was there")
    console.print(table)
    console.print(f"saved as {final_path(output_dir, '*')}", highlight=False, markup=False, soft_wrap=True)


def _figures(output_dir: Path, variant: Variant) -> tuple[str, ...]:
    """Validation loss, bigram loss, accuracy and seconds as saved beside a checkpoint, or blanks where they are not."""
    try:
        saved = json.loads(metrics_path(output_dir, variant.name).read_text())
        figures = (
            (saved["metrics"]["val_losses"][-1], ".3f"),
            (saved.get("bigram_val_loss"), ".3f"),
            (saved.get("val_accuracy"), ".2%"),
            (saved["seconds"], ".0f"),
        )
        return tuple("" if value is None else format(value, form) for value, form in figures)
    except (OSError, ValueError, LookupError, TypeError):
        return ("", "", "", "")
