"""``mechint train``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["train"]


@click.command()
@click.option(
    "--variants",
    default="V0,V1",
    show_default=True,
    help="V0 vanilla GPT-2, V1 with tied keys and values, V2 with reciprocal attention; toys with known circuits: "
    "induction, modular_addition, hand_induction.",
)
@click.option("--output-dir", type=click.Path(path_type=Path), default="output", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path), default="data/stdlib", show_default=True)
@click.option("--steps", type=click.IntRange(min=1), default=None, help="Optimiser steps of each variant.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--force", is_flag=True, help="Train again where a final checkpoint exists.")
@click.option("--data-only", is_flag=True, help="Prepare the data and stop.")
def train(
    variants: str,
    output_dir: Path,
    data_dir: Path,
    steps: int | None,
    seed: int,
    *,
    force: bool,
    data_only: bool,
) -> None:
    """Train the reference checkpoints on the Python standard library's source, or toys whose circuits are known."""
    from mechint.training.stdlib_data import prepare_docstrings, prepare_stdlib
    from mechint.training.trainer import train as train_variants

    if data_only:
        prepare_stdlib(data_dir)
        prepare_docstrings(data_dir)
        return
    train_variants(variants.split(","), output_dir, data_dir, seed=seed, steps=steps, force=force)
