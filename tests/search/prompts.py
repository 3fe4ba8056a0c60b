"""Prompts of two lengths for tests, with answers, distractors and corrupted prompts, padded on either side."""

import torch

from mechint.task.examples import Examples, Pairs

COUNT, LENGTH = 5, 7


def prompts(n_vocab: int, side: str = "right") -> Examples:
    """Five prompts of seven, seven, five, seven and four tokens."""
    lengths = torch.tensor([7, 7, 5, 7, 4])
    generator = torch.Generator().manual_seed(0)
    tokens, other = torch.randint(n_vocab, (2, COUNT, LENGTH), generator=generator)
    answers, distractors = torch.randint(n_vocab, (2, COUNT, 1), generator=generator)
    at = torch.arange(LENGTH).expand(COUNT, LENGTH)
    first = torch.zeros_like(lengths) if side == "right" else LENGTH - lengths
    if side == "left":  # the same prompts, further to the right
        places = (at - first[:, None]) % LENGTH
        tokens, other = tokens.gather(1, places), other.gather(1, places)
    mask = (at >= first[:, None]) & (at < (first + lengths)[:, None])
    pairs = Pairs(
        answers=answers,
        distractors=(distractors + (answers == distractors)) % n_vocab,
        corrupted=other,
        corrupted_mask=mask,
        template=torch.arange(COUNT),
        aligned=False,
    )
    scored = at == (first + lengths - 1)[:, None]
    return Examples(tokens=tokens, targets=tokens, mask=mask, scored=scored, pairs=pairs)
