"""A planted backup: two heads of which each does the whole work, so that ablating one alone changes nothing.

It is the hand-built induction model with two previous-token heads. Each writes the code of the previous token, and one
of them already saturates the induction head's attention. With both ablated nothing tells it where to look. Ablating one
to zero or to its mean leaves the other's code; resampled, it would write a wrong token's code beside the right one.
"""

from __future__ import annotations

from functools import partial

import torch

from mechint.circuit.space import Site
from mechint.task.examples import Examples
from mechint.training.hand_induction import HandInduction, build_hand_induction
from tests.planted.circuits import Planted, Size

__all__ = ["plant_backup", "repeated"]

BACKUP_SIZE = Size(n_vocab=24, context=24)


def plant_backup(seed: int, size: Size = BACKUP_SIZE) -> Planted:
    """Two previous-token heads in layers of their own or in one, and an induction head above them.

    ``truth`` has the induction head too; the two others are those below it. ``size.d_head`` is not used: it follows
    from the vocabulary and the context.
    """
    generator = torch.Generator().manual_seed(seed)
    last = 1 + int(torch.randint(size.n_layer - 1, (), generator=generator))
    heads = torch.randperm(last * size.n_head, generator=generator)[:2].tolist()
    previous = tuple(sorted((head // size.n_head, head % size.n_head) for head in heads))
    induction = (last, int(torch.randint(size.n_head, (), generator=generator)))
    plan = HandInduction(
        n_layer=size.n_layer,
        n_head=size.n_head,
        n_vocab=size.n_vocab,
        context=size.context,
        previous=previous,
        induction=(induction,),
        sharpness=40.0,
        seed=seed,
    )
    truth: dict[Site, tuple[int, ...]] = {}
    for layer, head in (*previous, induction):
        truth[Site(layer, "z")] = (*truth.get(Site(layer, "z"), ()), head)
    return Planted(
        model=build_hand_induction(plan),
        truth=truth,
        examples=partial(repeated, plan.n_vocab, plan.context // 2),
        least_share=0.0,
    )


def repeated(n_vocab: int, length: int, count: int, seed: int) -> Examples:
    """Distinct random tokens, twice; scored in the second copy, up to its last token but one."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.rand(count, n_vocab, generator=generator).argsort(1)[:, :length]
    tokens = torch.cat([first, first], dim=1)
    scored = torch.zeros_like(tokens, dtype=torch.bool)
    scored[:, length:-1] = True
    return Examples(tokens=tokens, targets=tokens.roll(-1, dims=1), scored=scored)
