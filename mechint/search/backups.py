"""Units that a circuit needs and the full model does not miss, because others stand in for them there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mechint.journal import Journal
from mechint.search.effects import leave_one_out
from mechint.search.objective import Objective

__all__ = ["Redundant", "find_redundant"]

SPARED = 0.01
"""Of faithfulness: an entry that costs the full model less than that is spared by it."""
MOST = 4
"""Entries whose backups are looked for, those of least effect; each costs as much as leaving every entry out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redundant:
    """A mask entry of a circuit that the full model does not miss."""

    entry: int
    alone: float
    """What the full model loses without it, as a share of its loss's way to the fully ablated model."""
    backups: tuple[int, ...]
    """The entries that cost more where it is missing too, by 1 % of that way at least."""


def find_redundant(objective: Objective, kept: Tensor, journal: Journal) -> list[Redundant]:
    """The redundant entries of a circuit ``[m]``, at most four, by exact ablation alone and in pairs."""
    everything = torch.ones_like(kept)
    way = objective.loss(~everything) - objective.loss(everything)
    alone = leave_one_out(objective, journal) / way
    spared = [entry for entry in alone.abs().argsort().tolist() if kept[entry] and abs(float(alone[entry])) < SPARED]
    found = []
    for entry in spared[:MOST]:
        others = everything.clone()
        others[entry] = False
        more = leave_one_out(objective, journal, within=others) / way - alone
        more[entry] = 0
        backups = tuple((more >= SPARED).nonzero().flatten().tolist())
        found.append(Redundant(entry=entry, alone=float(alone[entry]), backups=backups))
    return found
