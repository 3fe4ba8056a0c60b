"""Windows of text to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mechint.codes import Code
from mechint.errors import DataError
from mechint.files import sha256_of
from mechint.subject.nanogpt import GPTConfig
from mechint.training.bigram import bigram_loss
from mechint.training.data import Batch, TrainingData
from mechint.training.stdlib_data import load_tokens

__all__ = ["read_text", "windows_of"]

_VALIDATION_WINDOWS = 256


def read_text(data_dir: Path, shape: GPTConfig) -> TrainingData:
    """Random windows of ``train.bin``, and fixed ones of ``val.bin``, spread evenly."""
    length = shape.block_size + 1
    train_tokens, held_out = load_tokens(data_dir / "train.bin"), load_tokens(data_dir / "val.bin")
    if min(len(train_tokens), len(held_out)) <= length:
        raise DataError(
            f"{data_dir} holds fewer than {length} tokens in a split, too few for one window", code=Code.TOO_FEW
        )
    starts = np.linspace(0, len(held_out) - length, _VALIDATION_WINDOWS).astype(np.int64)
    windows = np.stack([held_out[start : start + length] for start in starts]).astype(np.int64)
    train, window = torch.from_numpy(train_tokens.astype(np.int64)), torch.arange(length)

    def draw(count: int, generator: torch.Generator) -> Batch:
        starts = torch.randint(len(train) - length + 1, (count, 1), generator=generator)
        return windows_of(train[starts + window])

    return TrainingData(
        draw=draw,
        held_out=windows_of(torch.from_numpy(windows)),
        facts={"dataset": "stdlib", "data_sha256": sha256_of(data_dir / "train.bin"), "tokenizer": "bytes"},
        measured={"bigram_val_loss": bigram_loss(train_tokens, windows, shape.vocab_size)},
    )


def windows_of(tokens: Tensor) -> Batch:
    """Windows ``[b p+1]`` as a batch: every token is to be predicted from those before it."""
    return Batch(tokens=tokens[:, :-1], targets=tokens[:, 1:])
