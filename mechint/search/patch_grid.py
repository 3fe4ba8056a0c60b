"""The places that activation patching looks at, one after another: a row for each layer, a column for each part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.errors import CheckpointError, DataError
from mechint.search.patched_run import Cell, Patch
from mechint.subject.architecture import EMBED
from mechint.subject.subject import Subject
from mechint.task.examples import Examples

__all__ = ["By", "Column", "Grid", "label_position", "make_grids"]

By = Literal["head", "position", "layer"]
_OF_HEADS = ("q", "k", "v", "z")
_MOST_POSITIONS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A part of a site: a head, a position, or all of it."""

    label: str
    units: slice | None = None
    nth: int | None = None
    """The position of every example's token with this number; None for all positions."""

    def where(self, examples: Examples) -> Tensor | None:
        """``[b p]``; None for all positions."""
        return None if self.nth is None else examples.real & (examples.nth == self.nth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Every part of one kind of site, in every layer."""

    kind: str
    sites: tuple[Site, ...]
    columns: tuple[Column, ...]
    by: By

    @property
    def size(self) -> int:
        return len(self.sites) * len(self.columns)

    @property
    def rows(self) -> tuple[str, ...]:
        """Labels: the layers' numbers."""
        return ("input",) if self.sites == (EMBED,) else tuple(str(site.layer) for site in self.sites)

    def names(self) -> list[str]:
        """Of every place, row by row: ``z.1@2``."""
        return [f"{self.kind}.{row}@{column.label}" for row in self.rows for column in self.columns]

    def cells(self, examples: Examples) -> list[Cell]:
        """The interventions on some examples, row by row."""
        places = [(column.units, column.where(examples)) for column in self.columns]
        return [(Patch(site=site, units=units, where=where),) for site in self.sites for units, where in places]

    def lacking(self, examples: Examples) -> Tensor:
        """Which examples have no such place ``[b r*c]``."""
        wheres = [column.where(examples) for column in self.columns]
        none = torch.zeros(len(examples), dtype=torch.bool)
        lack = torch.stack([none if where is None else ~where.any(1).cpu() for where in wheres], dim=1)  # [b c]
        return lack.repeat(1, len(self.sites))


def make_grids(subject: Subject, kinds: Sequence[str], by: By, examples: Examples) -> tuple[Grid, ...]:
    """The places at some kinds of sites.

    Raises CheckpointError where the model lacks a kind, and DataError where it has no heads or prompts are too long.
    """
    grids = []
    for kind in kinds:
        layers = [EMBED] if kind == EMBED.kind else [Site(layer, kind) for layer in range(subject.shape.n_layer)]
        subject.architecture.tap(layers[0])
        grids.append(Grid(kind=kind, sites=tuple(layers), columns=_columns(subject, layers[0], by, examples), by=by))
    return tuple(grids)


def _columns(subject: Subject, site: Site, by: By, examples: Examples) -> tuple[Column, ...]:
    if by == "layer":
        return (Column(label="all"),)
    if by == "position":
        return _positions(subject, examples)
    if site.kind not in _OF_HEADS:
        raise DataError(f"method.sites has {site.kind}, which has no heads\n  hint: by: position or by: layer")
    units = subject.units(site)
    return tuple(
        Column(label=str(head), units=slice(head * units.width, (head + 1) * units.width))
        for head in range(units.heads)
    )


def _positions(subject: Subject, examples: Examples) -> tuple[Column, ...]:
    longest = int(examples.real.sum(1).max())
    if longest > _MOST_POSITIONS:
        raise DataError(
            f"method.by is position, and examples have up to {longest} tokens; a map has {_MOST_POSITIONS} at most\n"
            "  hint: by: head or by: layer"
        )
    return tuple(Column(label=label_position(subject, examples, nth), nth=nth) for nth in range(longest))


def label_position(subject: Subject, examples: Examples, nth: int) -> str:
    """A position's number, with its token where all examples have the same one there."""
    here = examples.tokens[examples.real & (examples.nth == nth)]
    if len(here) < len(examples) or (here != here[0]).any():
        return str(nth)
    try:
        text = subject.tokenizer().decode([int(here[0])]).strip()
    except CheckpointError:  # a checkpoint without a tokenizer
        return str(nth)
    return f"{nth} {text}".strip()
