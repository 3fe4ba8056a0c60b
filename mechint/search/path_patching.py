"""Path patching: what one part tells a later head's q, k or v by the residual stream alone.

The receiver reads the stream of the run that is patched, in which what the sender writes is replaced by what it writes
in the other run; nothing between the two sees that. What the receiver's q, k or v becomes is put into the run, and all
that follows it responds (Wang et al. 2022, arXiv:2211.00593; Goldowsky-Dill et al. 2023, arXiv:2304.05969).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mechint.circuit.edges import Part
from mechint.circuit.space import Site
from mechint.errors import DataError
from mechint.journal import Journal
from mechint.search.patched_run import Cell, Patch
from mechint.search.patching import Batch, Patching
from mechint.search.sweep import run_base, sweep
from mechint.subject.edges import EdgeRuns, edge_space
from mechint.subject.subject import Subject

__all__ = ["Receiver", "Sender", "find_receiver", "measure_paths", "senders_to"]

Sender = Literal["z", "mlp_out"]
_HEAD = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """The q, k or v of a head; of k and v the key and value head."""

    kind: Literal["q", "k", "v"]
    layer: int
    head: int

    @property
    def site(self) -> Site:
        return Site(self.layer, self.kind)

    def __str__(self) -> str:
        return f"{self.kind}.{self.layer}.{self.head}"


def find_receiver(subject: Subject, kind: Literal["q", "k", "v"], name: str) -> Receiver:
    """The head that ``1.2`` names; DataError where the model has none, or nothing is written before it."""
    parts = _HEAD.fullmatch(name)
    site = Site(0 if parts is None else int(parts[1]), kind)
    heads = subject.units(site).heads
    if parts is None or site.layer >= subject.shape.n_layer or int(parts[2]) >= heads:
        raise DataError(
            f"method.path.into names {name!r}; {subject.name} has {subject.shape.n_layer} layers with {heads} heads of "
            f"{kind} each\n  hint: a head is its layer and its number there, such as 1.0"
        )
    if site.layer == 0:
        raise DataError(f"method.path.into names {name!r}, and nothing but the embedding is written before layer 0")
    return Receiver(kind=kind, layer=site.layer, head=int(parts[2]))


def senders_to(subject: Subject, receiver: Receiver, kind: Sender) -> tuple[Part, ...]:
    """The parts that write before a receiver's layer, in their order."""
    wanted = "A" if kind == "z" else "M"
    return tuple(part for part in edge_space(subject).parts if part.kind == wanted and part.layer < receiver.layer)


@torch.no_grad()
def measure_paths(patching: Patching, receiver: Receiver, kind: Sender, journal: Journal) -> Tensor:
    """The effect of every sender by that one path ``[n s]``, in the metric's unit.

    Raises CheckpointError for a model whose parts do not add up to what it computes.
    """
    senders = senders_to(patching.subject, receiver, kind)
    parts = []
    for batch in patching.batches():
        base = run_base(patching.subject, batch.base)
        cells = _cells(patching.subject, batch, receiver, senders)
        values = sweep(
            patching.subject,
            base,
            {},
            cells,
            batch.read,
            journal,
            budget=patching.budget,
            stage=f"path_patching-{receiver}",
        )
        before = batch.read(base.readout, batch.base).cpu().double()
        parts.append(patching.effect(values.T.double(), before[:, None]))
    return torch.cat(parts)


def _cells(subject: Subject, batch: Batch, receiver: Receiver, senders: Sequence[Part]) -> list[Cell]:
    """What the receiver reads when each sender writes what it does in the other run."""
    runs = EdgeRuns(subject, batch.base.tokens, batch.base.mask)
    here, there = runs.written(), EdgeRuns(subject, batch.source.tokens, batch.source.mask).written()
    width = subject.units(receiver.site).width
    units = slice(receiver.head * width, (receiver.head + 1) * width)
    return [
        (
            Patch(
                site=receiver.site,
                units=units,
                value=runs.project(receiver.layer, there[sender] - here[sender])[receiver.site],
            ),
        )
        for sender in senders
    ]
