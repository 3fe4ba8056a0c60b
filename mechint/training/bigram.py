"""The baseline that a trained model must clearly beat: the next token guessed from the one before it."""

from __future__ import annotations

import numpy as np

__all__ = ["bigram_loss"]


def bigram_loss(train: np.ndarray, windows: np.ndarray, vocab_size: int) -> float:
    """Mean loss, nats per token, of a counted bigram model on held-out ``windows`` ``[b p+1]``.

    Every pair of tokens is counted once more than it occurs in ``train`` (add-one smoothing).
    """
    pairs = train[:-1].astype(np.int64) * vocab_size + train[1:]
    counts = 1.0 + np.bincount(pairs, minlength=vocab_size**2).reshape(vocab_size, vocab_size)  # [v v]
    log_p = np.log(counts / counts.sum(axis=1, keepdims=True))
    return float(-log_p[windows[:, :-1], windows[:, 1:]].mean())
