"""What the toy models learn: repeated random tokens and modular sums, made on the fly."""

from __future__ import annotations

import torch

from mechint.subject.nanogpt import GPTConfig
from mechint.training.data import NOT_SCORED, Batch, TrainingData

__all__ = ["BEGINNING", "SHORTEST", "all_sums", "modular_sums", "repeated_tokens"]

BEGINNING = 0
"""The token that every other sequence begins with, and that stands nowhere else."""
SHORTEST = 8
"""Tokens before a sequence repeats, at least."""
SHARE = 0.4
"""Of all sums, to train on."""
_HELD_OUT = 512
"""Sequences."""
_HELD_OUT_SEED = 1_000_003


def repeated_tokens(shape: GPTConfig) -> TrainingData:
    """Sequences of distinct random tokens that repeat until the context is full.

    They repeat after ``SHORTEST`` tokens to half the context, so that no fixed distance leads to the answer. What is to
    be predicted is every token but those of the first copy.
    """
    longest = shape.block_size // 2

    def draw(count: int, generator: torch.Generator) -> Batch:
        first = torch.rand(count, shape.vocab_size - 1, generator=generator).argsort(1) + 1  # BEGINNING is not in it
        length = torch.randint(SHORTEST, longest + 1, (count, 1), generator=generator)
        begins = torch.rand(count, 1, generator=generator) < 0.5
        place = torch.arange(shape.block_size + 1) - begins.long()  # [b p+1], -1 at a beginning token
        tokens = first.gather(1, place % length).where(place >= 0, BEGINNING)
        repeated = place[:, 1:] > length
        return Batch(tokens=tokens[:, :-1], targets=tokens[:, 1:].where(repeated, NOT_SCORED))

    return TrainingData(
        draw=draw,
        held_out=draw(_HELD_OUT, torch.Generator().manual_seed(_HELD_OUT_SEED)),
        facts={"dataset": "repeated_tokens", "shortest": SHORTEST, "longest": longest},
        measured={},
    )


def modular_sums(shape: GPTConfig, seed: int) -> TrainingData:
    """Sums ``a b =`` of which ``SHARE`` are trained on, in an order by the seed, and the others held out."""
    sums = all_sums(shape.vocab_size - 1)
    order = torch.randperm(len(sums.tokens), generator=torch.Generator().manual_seed(seed))
    train, held_out = order.split([round(SHARE * len(order)), len(order) - round(SHARE * len(order))])

    def rows(chosen: torch.Tensor) -> Batch:
        return Batch(tokens=sums.tokens[chosen], targets=sums.targets[chosen])

    def draw(count: int, generator: torch.Generator) -> Batch:
        return rows(train[torch.randint(len(train), (count,), generator=generator)])

    return TrainingData(
        draw=draw,
        held_out=rows(held_out),
        facts={"dataset": "modular_sums", "p": shape.vocab_size - 1, "share": SHARE},
        measured={},
    )


def all_sums(p: int) -> Batch:
    """``[a, b, =]`` for all a and b below p, where p itself is the equals sign; (a + b) mod p is to be predicted."""
    terms = torch.cartesian_prod(torch.arange(p), torch.arange(p))  # [p*p 2]
    tokens = torch.cat([terms, torch.full((p * p, 1), p)], dim=1)
    targets = torch.full_like(tokens, NOT_SCORED)
    targets[:, -1] = terms.sum(1) % p
    return Batch(tokens=tokens, targets=targets)
