"""A folder with two tiny checkpoints and data, in which the program can be run."""

from pathlib import Path

import numpy as np
import torch

from tests.tiny import random_model

__all__ = ["save_tiny", "write_workspace"]


def save_tiny(path: Path, **options) -> None:
    """A nanoGPT checkpoint of a tiny model, as its trainer would write it."""
    model = random_model(**options)
    config = model.config
    names = ("n_layer", "n_head", "n_embd", "block_size", "vocab_size", "bias")
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {name: getattr(config, name) for name in names}
    torch.save({"model": model.state_dict(), "model_args": facts, "iter_num": 7}, path)


def write_workspace(folder: Path) -> None:
    """Checkpoints V0 and V1, the second with tied keys and values, and tokens of a vocabulary of eleven."""
    save_tiny(folder / "output/final_model_stepV0.pt")
    save_tiny(folder / "output/final_model_stepV1.pt", kv_tied=True)
    generator = np.random.default_rng(0)
    (folder / "data").mkdir()
    generator.integers(0, 11, 400).astype("<u2").tofile(folder / "data/train.bin")
    generator.integers(0, 11, 200).astype("<u2").tofile(folder / "data/val.bin")
