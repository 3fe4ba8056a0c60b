"""The reference trainer: small GPT-2 variants on real text, in one to two minutes each on two cores."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text
from torch import Tensor

from mechint.errors import DataError
from mechint.files import sha256_of
from mechint.subject.nanogpt import GPT
from mechint.training.bigram import bigram_loss
from mechint.training.checkpoints import CheckpointCallback, best_path, final_path, metrics_path
from mechint.training.recipe import Optimisers, Recipe, init_model
from mechint.training.stdlib_data import load_tokens, prepare_stdlib
from mechint.training.variants import Variant, choose_variants

__all__ = ["train"]

_VALIDATION_WINDOWS = 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Text:
    """What every variant trains on and is measured on."""

    train: Tensor
    """Token ids ``[tokens]``."""
    held_out: Tensor
    """Fixed windows of the validation split, spread evenly ``[b p+1]``."""
    bigram_val_loss: float
    sha256: str


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

    ``data_dir`` receives the text where it does not hold it. With ``force`` every variant is trained anew. Ctrl-C
    leaves the best model and the curves so far, and no final checkpoint, so that the next call trains the variant
    again. Raises UsageError for an unknown variant, DataError where there is no text.
    """
    chosen = choose_variants(variants)
    console = console or Console()
    recipe = Recipe() if steps is None else replace(Recipe(), steps=steps)
    missing = [v for v in chosen if force or not final_path(output_dir, v.name).exists()]
    if missing:
        prepare_stdlib(data_dir)
        text = _read_text(data_dir, missing[0])
        for variant in missing:
            _train_variant(variant, text, recipe, output_dir, seed, console)
    _print_summary(chosen, missing, output_dir, console)


def _read_text(data_dir: Path, variant: Variant) -> _Text:
    length, vocab_size = variant.shape.block_size + 1, variant.shape.vocab_size
    train_tokens, held_out = load_tokens(data_dir / "train.bin"), load_tokens(data_dir / "val.bin")
    if min(len(train_tokens), len(held_out)) <= length:
        raise DataError(f"{data_dir} holds fewer than {length} tokens in a split, too few for one window")
    starts = np.linspace(0, len(held_out) - length, _VALIDATION_WINDOWS).astype(np.int64)
    windows = np.stack([held_out[start : start + length] for start in starts]).astype(np.int64)
    return _Text(
        train=torch.from_numpy(train_tokens.astype(np.int64)),
        held_out=torch.from_numpy(windows),
        bigram_val_loss=bigram_loss(train_tokens, windows, vocab_size),
        sha256=sha256_of(data_dir / "train.bin"),
    )


def _train_variant(
    variant: Variant, text: _Text, recipe: Recipe, output_dir: Path, seed: int, console: Console
) -> None:
    model = init_model(variant.shape, seed)
    saver = CheckpointCallback(output_dir, variant.name, config=_facts(variant, text, recipe, seed))
    facts = {"bigram_val_loss": text.bigram_val_loss}
    started = time.monotonic()
    losses = TextColumn("{task.fields[losses]}")
    state = _State(done=0, train_loss=float("nan"))
    try:
        with Progress(
            TextColumn("{task.description}"), BarColumn(), losses, TimeRemainingColumn(), console=console
        ) as bars:
            bar = bars.add_task(f"{variant.name} {variant.summary}", total=recipe.steps, losses="")
            for state in _steps(model, text, recipe, saver, seed):
                bars.update(bar, completed=state.done, losses=_shown(state, saver))
    except KeyboardInterrupt:
        if state.done:
            _evaluate(model, text, recipe, saver, state)
            saver.write_metrics(iteration=state.done, facts=facts)
        console.print(f"{variant.name} stopped after {state.done} of {recipe.steps} steps", highlight=False)
        if state.done:
            kept = f"the best model so far is in {best_path(output_dir, variant.name)}"
            console.print(kept, highlight=False, markup=False, soft_wrap=True)
        raise
    saver.finished(model, iteration=state.done, facts={**facts, "seconds": round(time.monotonic() - started, 1)})


def _facts(variant: Variant, text: _Text, recipe: Recipe, seed: int) -> dict[str, object]:
    """What a checkpoint says of itself; what its weights show need not be among it."""
    shape = {name: value for name, value in asdict(variant.shape).items() if isinstance(value, int | str)}
    origin = {"step": variant.name, "dataset": "stdlib", "data_sha256": text.sha256, "tokenizer": "bytes", "seed": seed}
    return {**shape, **origin, **asdict(recipe)}


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


def _steps(model: GPT, text: _Text, recipe: Recipe, saver: CheckpointCallback, seed: int) -> Iterator[_State]:
    """Train, step by step."""
    optimisers = Optimisers(model, recipe)
    generator = torch.Generator().manual_seed(seed)
    window = torch.arange(text.held_out.shape[1])
    recent = 0.0
    for step in range(recipe.steps):
        starts = torch.randint(len(text.train) - len(window) + 1, (recipe.batch_size, 1), generator=generator)
        loss = _loss(model, text.train[starts + window])
        optimisers.step(loss, step)
        recent = loss.item() if step == 0 else 0.95 * recent + 0.05 * loss.item()
        state = _State(done=step + 1, train_loss=recent)
        if recipe.is_evaluated(step):
            _evaluate(model, text, recipe, saver, state)
        yield state


def _evaluate(model: GPT, text: _Text, recipe: Recipe, saver: CheckpointCallback, state: _State) -> None:
    """Measure the model on the held-out windows, and keep it if it is the best so far."""
    saver.evaluated(
        model,
        iteration=state.done,
        train_loss=state.train_loss,
        val_loss=evaluate(model, text.held_out),
        learning_rate=recipe.matrix_lr * recipe.rate(state.done - 1),
    )


def evaluate(model: GPT, windows: Tensor) -> float:
    """Mean loss, nats per token, on windows ``[b p+1]``."""
    with torch.no_grad():
        losses = [_loss(model, batch).item() * len(batch) for batch in torch.split(windows, 64)]
    return sum(losses) / len(windows)


def _loss(model: GPT, windows: Tensor) -> Tensor:
    logits = model(windows[:, :-1])  # [b p v]
    return F.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())


def _print_summary(chosen: Sequence[Variant], trained: Sequence[Variant], output_dir: Path, console: Console) -> None:
    table = Table("variant", Column("checkpoint", overflow="fold"), "val loss", "bigram", "seconds", "")
    for variant in chosen:
        state = "trained" if variant in trained else "was there"
        table.add_row(
            variant.name, Text(str(final_path(output_dir, variant.name))), *_figures(output_dir, variant), state
        )
    console.print(table)


def _figures(output_dir: Path, variant: Variant) -> tuple[str, str, str]:
    """Validation loss, bigram loss and seconds as saved beside a checkpoint, or blanks where they are not."""
    try:
        saved = json.loads(metrics_path(output_dir, variant.name).read_text())
        loss, bigram, seconds = saved["metrics"]["val_losses"][-1], saved["bigram_val_loss"], saved["seconds"]
        return f"{loss:.3f}", f"{bigram:.3f}", f"{seconds:.0f}"
    except (OSError, ValueError, LookupError, TypeError):
        return "", "", ""
