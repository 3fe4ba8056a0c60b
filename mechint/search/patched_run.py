"""One forward pass for several interventions, each of which enters where it begins to change something."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from mechint.circuit.space import Site
from mechint.search.base_run import Base
from mechint.search.passes import Begin
from mechint.subject.fused import fused
from mechint.subject.intervene import Edit, edited
from mechint.subject.joining import Entry
from mechint.subject.narrow import find_mlp, narrowed
from mechint.subject.prefix import Cached, following
from mechint.subject.readout import Readout
from mechint.subject.resume import resumed
from mechint.subject.subject import Subject
from mechint.task.examples import Examples

__all__ = ["Cell", "Patch", "PatchedRun", "Placed", "Put", "Read", "first_true", "place"]


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

_BEHIND = frozenset({"z", "attn_out", "resid_mid", "mlp_post", "mlp_out", "resid_post"})
"""Kinds of sites that a layer's attention has no part in."""

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
    begin: Begin | None
    """None where all that it puts is there already."""


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
    return Placed(puts=tuple(puts), begin=_begin(base, puts))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PatchedRun:
    """A base run, ready to be run again with something put in its place."""

    subject: Subject
    base: Base
    read: Read
    cached: Cached | None = None
    """Keys and values that passes may use; None where they begin at the first position."""
    narrow: tuple[nn.Module, ...] = ()
    """Modules of the last layer that may compute the positions alone whose predictions are read."""
    written_out: tuple[nn.Module, ...] = ()
    """Activation functions that one kernel may compute."""
    joining: bool = False
    """Whether interventions that enter at different places may share a pass."""
    behind: bool = False
    """Whether they may enter behind a layer's attention."""

    def begin(self, cell: Placed) -> Begin | None:
        """Where an intervention may begin."""
        if cell.begin is None:
            return None
        entry = cell.begin.entry
        return Begin(
            entry=Entry(layer=entry.layer, behind=entry.behind and self.behind),
            position=0 if self.cached is None else cell.begin.position,
        )

    def predict(self, cells: Sequence[Placed], entries: Sequence[Entry], position: int) -> Readout:
        """What the model predicts of every example under some interventions, one after another, in one pass.

        They stand in the order in which they enter.
        """
        copies = len(cells)
        again = self._again(copies)
        where = again.where[:, position:]
        static, edits = self._static(entries[0].layer, position), _edits(cells, len(self.base.examples), position)
        with ExitStack() as stack:
            stack.enter_context(edited(self.subject, {site: static.pop(site) for site in _entered(static)}))
            stack.enter_context(resumed(self.subject, self.base.recorded, entries, position))
            stack.enter_context(fused(self.written_out))
            for module in self._narrow({*static, *edits}):
                stack.enter_context(narrowed(module, where))
            stack.enter_context(edited(self.subject, static))
            stack.enter_context(edited(self.subject, edits))
            return self._from(position, copies).readout(
                again.tokens[:, position:],
                again.mask if position == 0 else None,
                where,
            )

    def values(self, last: Tensor, copies: int) -> Tensor:
        """What is read ``[c b]`` of ``Readout.last`` of some interventions one after another."""
        readout = replace(self.base.readout, last=last)
        return self.read(readout, self._again(copies)).view(copies, len(self.base.examples)).cpu()

    def _again(self, copies: int) -> Examples:
        return self.base.examples.take(torch.arange(len(self.base.examples)).repeat(copies))

    def _narrow(self, sites: set[Site]) -> tuple[nn.Module, ...]:
        """The modules that lie around none of the sites, and give nothing that one of them is put together of."""
        last = self.subject.shape.n_layer - 1
        seen = any(Site(last, kind) in sites for kind in ("resid_mid", "mlp_post", "mlp_out"))
        mlp = find_mlp(self.subject, last)
        return tuple(module for module in self.narrow if not (seen and module is mlp))

    def _from(self, position: int, copies: int) -> Subject:
        if position == 0:
            return self.subject
        assert self.cached is not None
        return following(self.subject, self.cached, position, copies, self.base.examples.mask)

    def _static(self, layer: int, position: int) -> dict[Site, Edit]:
        """The base's edits from a layer on."""
        examples = len(self.base.examples)
        return {
            site: _for_copies(edit, examples, position)
            for site, edit in self.base.static.items()
            if site.layer >= layer
        }


def _read_next(subject: Subject, site: Site, others: set[Site]) -> Site:
    """The stream that a layer leaves, as what the next one reads, where nothing else is put there."""
    following_site = Site(site.layer + 1, "resid_pre")
    there = "resid_pre" in subject.architecture.sites and following_site.layer < subject.shape.n_layer
    return following_site if site.kind == "resid_post" and there and following_site not in others else site


def _entered(sites: Iterable[Site]) -> list[Site]:
    """Those with whose activations copies enter a pass."""
    return [site for site in sites if site.kind in ("resid_pre", "z")]


def _begin(base: Base, puts: Sequence[Put]) -> Begin | None:
    """The earliest place of all, and the first position at which something changes or predictions are read."""
    changed = [at for put in puts if (at := _first_change(base, put)) is not None]
    if not changed:
        return None
    entry = min(Entry(layer=put.site.layer, behind=put.site.kind in _BEHIND) for put in puts)
    return Begin(entry=entry, position=min(first_true(base.examples.where), *changed))


def _first_change(base: Base, put: Put) -> int | None:
    """The first position of a token at which something else is put than is there; None where nothing is."""
    where = base.examples.real if put.where is None else put.where & base.examples.real
    there = base.recorded.activations.get(put.site)
    if there is not None:
        value = put.value[..., put.units].to(there.dtype)
        where = where & (value != there[..., put.units]).any(-1).to(where.device)
    return first_true(where) if where.any() else None


def first_true(where: Tensor) -> int:
    """The first column of ``[b p]`` that is true in a row; the last column where none is."""
    columns = where.any(0).nonzero()
    return int(columns[0]) if len(columns) else where.shape[1] - 1


def _for_copies(edit: Edit, examples: int, start: int) -> Edit:
    """The edit of ``[b p u]`` for activations ``[c*b s u]`` of several copies and of the positions from one on."""

    def each(activation: Tensor) -> Tensor:
        parts = []
        for part in activation.split(examples):
            whole = torch.nn.functional.pad(part, (0, 0, start, 0))  # [b p u]
            parts.append(edit(whole)[:, start:])
        return torch.cat(parts)

    return each


def _edits(cells: Sequence[Placed], examples: int, start: int) -> dict[Site, Edit]:
    """One edit a site, which puts every intervention's values in its own copy of the examples."""
    by_site: dict[Site, list[tuple[int, Put]]] = {}
    for copy, cell in enumerate(cells):
        for put in cell.puts:
            by_site.setdefault(put.site, []).append((copy, put))
    return {site: _put_all(puts, examples, start) for site, puts in by_site.items()}


def _put_all(puts: Sequence[tuple[int, Put]], examples: int, start: int) -> Edit:
    def put_all(activation: Tensor) -> Tensor:
        changed = activation.clone(memory_format=torch.contiguous_format)
        by_copy = changed.unflatten(0, (-1, examples))  # [c b s u]
        for copy, put in puts:
            there, value = by_copy[copy][..., put.units], put.value[:, start:, put.units].to(activation.dtype)
            if put.where is None:
                there.copy_(value)
            else:
                where = put.where[:, start:, None].to(activation.device)
                there.copy_(torch.where(where, value, there))
        return changed

    return put_all
