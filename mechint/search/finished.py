"""The part of a sweep that is finished, kept in the journal's folder so that an interrupted one goes on from there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mechint.journal import Journal
from mechint.search.base_run import Base
from mechint.search.patched_run import Placed, Read
from mechint.subject.subject import Subject

__all__ = ["Finished", "digest_of"]


@dataclass(slots=True, kw_only=True, eq=False)
class Finished:
    """The values that are known so far, here and in the journal's folder."""

    journal: Journal
    name: str
    values: Tensor
    """``[c b]``."""
    done: Tensor
    """``[c]``, bool."""
    most: int = field(default=0)
    """Interventions in a pass; kept, so that a resumed sweep has the same passes and so the same bits. 0 before."""

    @classmethod
    def find(cls, journal: Journal, stage: str, digest: str, values: Tensor) -> Finished:
        """Those that an interrupted sweep left, or none."""
        name = f"{stage}-{digest[:32]}"
        kept = journal.find(name)
        if kept is None:
            return cls(journal=journal, name=name, values=values, done=torch.zeros(len(values), dtype=torch.bool))
        return cls(journal=journal, name=name, values=kept["values"], done=kept["done"], most=int(kept["most"]))

    def add(self, cells: Sequence[int], compute: Callable[[], Tensor], *, last: bool) -> None:
        """Compute the values of a pass, unless they are known, and keep them."""
        rows = torch.tensor(cells)
        if self.done[rows].all():
            return
        self.values[rows] = compute().to(self.values.dtype)
        self.done[rows] = True
        tensors = {"values": self.values, "done": self.done, "most": torch.tensor(self.most)}
        self.journal.keep(self.name, tensors, finished=last)


def digest_of(subject: Subject, base: Base, placed: Sequence[Placed], read: Read) -> str:
    """A hash of all that the values of a sweep depend on; of ``read`` what it makes of the base run."""
    digest = hashlib.sha256(f"{subject.sha256} {base.examples.sha256}".encode())
    for tensor in (*base.recorded.activations.values(), base.readout.last, read(base.readout, base.examples)):
        digest.update(_content(tensor))
    numbers: dict[tuple[object, ...], int] = {}  # of the tensors, so that each is hashed once

    def number(tensor: Tensor | None) -> int | None:
        if tensor is None:
            return None
        key = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if key not in numbers:
            numbers[key] = len(numbers)
            digest.update(_content(tensor))
        return numbers[key]

    for cell in placed:
        puts = [(str(put.site), str(put.units), number(put.where), number(put.value)) for put in cell.puts]
        digest.update(repr((cell.begin, puts)).encode())
    return digest.hexdigest()


def _content(tensor: Tensor) -> bytes:
    values = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return f"{tuple(tensor.shape)} {tensor.dtype}".encode() + values
