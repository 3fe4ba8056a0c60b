"""One forward pass for several interventions, begun where the first of them begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from mechint.circuit.space import Site
from mechint.search.base_run import Base
from mechint.search.passes import Begin
from mechint.subject.intervene import Edit, edited
from mechint.subject.narrow import narrowed
from mechint.subject.prefix import Cached, following
from mechint.subject.readout import Readout
from mechint.subject.resume import resumed
from mechint.subject.subject import Subject
from mechint.task.examples import Examples

__all__ = ["Cell", "Patch", "PatchedRun", "Placed", "Put", "Read", "place"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patch:
    """One place, and what is put there."""

    site: Site
    units: slice | None = None
    """Of the site's last axis; None for all."""
    where: Tensor | None = None
    """``[b p]``, true at the positions that are patched; None for all."""
    value: Tensor | None = None
    """Broadcastable to ``[b p u]``, over the whole last axis; None for the source's activation at the site."""


Cell = tuple[Patch, ...]
"""One intervention: the places that are patched together, in this order."""

Read = Callable[[Readout, Examples], Tensor]
"""From predictions on some examples, one after another as often as they are patched, to one value each ``[b]``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Put:
    """A patch with its value at hand."""

    site: Site
    units: slice
    where: Tensor | None
    value: Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placed:
    """An intervention, and where it begins."""

    puts: tuple[Put, ...]
    begin: Begin


def place(subject: Subject, base: Base, source: Mapping[Site, Tensor], cell: Cell) -> Placed:
    """Look up what an intervention puts, and where it begins."""
    sites = {patch.site for patch in cell} | base.static.keys()
    shape = base.examples.tokens.shape
    puts = []
    for patch in cell:
        value = source[patch.site] if patch.value is None else patch.value
        width = subject.units(patch.site).channels
        puts.append(
            Put(
                site=_read_next(subject, patch.site, sites),
                units=slice(None) if patch.units is None else patch.units,
                where=patch.where,
                value=value.to(subject.device).expand(*shape, width),
            )
        )
    return Placed(puts=tuple(puts), begin=_begin(base.examples, puts))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PatchedRun:
    """A base run, ready to be run again with something put in its place."""

    subject: Subject
    base: Base
    read: Read
    cached: Cached | None
    """Keys and values that passes may use; None where they begin at the first position."""
    last_mlp: nn.Module | None
    """What may compute the positions alone whose predictions are read; None where it must compute all."""

    def predict(self, cells: Sequence[Placed], begin: Begin) -> Readout:
        """What the model predicts of every example under some interventions, one after another, in one pass."""
        base, copies = self.base, len(cells)
        again = self._again(copies)
        where = again.where[:, begin.position :]
        static, edits = self._static(begin, copies), _edits(cells, begin.position)
        with ExitStack() as stack:
            if begin.layer >= 0:
                stack.enter_context(resumed(self.subject, base.recorded, begin.layer, copies, begin.position))
            if self.last_mlp is not None and not self._sees_mlp({*static, *edits}):
                stack.enter_context(narrowed(self.last_mlp, where))
            stack.enter_context(edited(self.subject, static))
            stack.enter_context(edited(self.subject, edits))
            return self._from(begin.position, copies).readout(
                again.tokens[:, begin.position :],
                again.mask if begin.position == 0 else None,
                where,
            )

    def values(self, last: Tensor, copies: int) -> Tensor:
        """What is read ``[c b]`` of ``Readout.last`` of some interventions one after another."""
        readout = replace(self.base.readout, last=last)
        return self.read(readout, self._again(copies)).view(copies, len(self.base.examples)).cpu()

    def _again(self, copies: int) -> Examples:
        return self.base.examples.take(torch.arange(len(self.base.examples)).repeat(copies))

    def _sees_mlp(self, sites: set[Site]) -> bool:
        """Whether one of the sites lies in the last MLP, or is put together of what that gives."""
        last = self.subject.shape.n_layer - 1
        return any(Site(last, kind) in sites for kind in ("resid_mid", "mlp_post", "mlp_out"))

    def _from(self, position: int, copies: int) -> Subject:
        if position == 0:
            return self.subject
        assert self.cached is not None
        return following(self.subject, self.cached, position, copies, self.base.examples.mask)

    def _static(self, begin: Begin, copies: int) -> dict[Site, Edit]:
        """The base's edits that the recorded stream does not hold already."""
        entered = Site(begin.layer, "resid_pre")
        return {
            site: _for_copies(edit, copies, begin.position)
            for site, edit in self.base.static.items()
            if site.layer >= begin.layer and site != entered
        }


def _read_next(subject: Subject, site: Site, others: set[Site]) -> Site:
    """The stream that a layer leaves, as what the next one reads, where nothing else is put there."""
    following_site = Site(site.layer + 1, "resid_pre")
    there = "resid_pre" in subject.architecture.sites and following_site.layer < subject.shape.n_layer
    return following_site if site.kind == "resid_post" and there and following_site not in others else site


def _begin(examples: Examples, puts: Sequence[Put]) -> Begin:
    """The first layer, and the first position at which something is put or predictions are read."""
    first = _first_true(examples.where)
    for put in puts:
        first = min(first, 0 if put.where is None else _first_true(put.where))
    return Begin(layer=min((put.site.layer for put in puts), default=0), position=first)


def _first_true(where: Tensor) -> int:
    """The first column of ``[b p]`` that is true in a row; the last column where none is."""
    columns = where.any(0).nonzero()
    return int(columns[0]) if len(columns) else where.shape[1] - 1


def _for_copies(edit: Edit, copies: int, start: int) -> Edit:
    """The edit of ``[b p u]`` for activations ``[c*b s u]`` of several copies and of the positions from one on."""

    def each(activation: Tensor) -> Tensor:
        parts = []
        for part in activation.chunk(copies):
            whole = torch.nn.functional.pad(part, (0, 0, start, 0))  # [b p u]
            parts.append(edit(whole)[:, start:])
        return torch.cat(parts)

    return each


def _edits(cells: Sequence[Placed], start: int) -> dict[Site, Edit]:
    """One edit a site, which puts every intervention's values in its own copy of the examples."""
    by_site: dict[Site, list[tuple[int, Put]]] = {}
    for copy, cell in enumerate(cells):
        for put in cell.puts:
            by_site.setdefault(put.site, []).append((copy, put))
    return {site: _put_all(puts, len(cells), start) for site, puts in by_site.items()}


def _put_all(puts: Sequence[tuple[int, Put]], copies: int, start: int) -> Edit:
    def put_all(activation: Tensor) -> Tensor:
        changed = activation.clone(memory_format=torch.contiguous_format)
        by_copy = changed.unflatten(0, (copies, -1))  # [c b s u]
        for copy, put in puts:
            there, value = by_copy[copy][..., put.units], put.value[:, start:, put.units].to(activation.dtype)
            if put.where is None:
                there.copy_(value)
            else:
                where = put.where[:, start:, None].to(activation.device)
                there.copy_(torch.where(where, value, there))
        return changed

    return put_all
