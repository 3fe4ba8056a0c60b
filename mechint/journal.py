"""How a long computation says where it is, so that it need not know who is watching."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["Journal", "Progress"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One step of a computation, as watchers see it."""

    stage: str
    """What runs: ``iterated_ig``, ``swap``, ``faithfulness``."""
    done: int
    total: int
    """Steps of this stage, not of the item."""
    values: Mapping[str, float]
    """What the step measured, such as ``loss``; empty where it measured nothing."""


@dataclass(slots=True)
class Journal:
    """Collects what a method logs and passes each step on to whoever watches.

    One journal belongs to one item. ``rows`` becomes the item's ``metrics.jsonl``.
    """

    watch: Callable[[Progress], None] = lambda _: None
    rows: list[dict[str, float | int | str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def log(self, stage: str, done: int, total: int, **values: float) -> None:
        """Record one step of a stage, ``done`` of ``total``, with what it measured."""
        self.rows.append({"stage": stage, "step": done - 1, **values})
        self.watch(Progress(stage=stage, done=done, total=total, values=values))

    def progress(self, stage: str, done: int, total: int) -> None:
        """Say how far a stage is that measures nothing worth a curve."""
        self.watch(Progress(stage=stage, done=done, total=total, values={}))

    def note(self, text: str) -> None:
        """Record a sentence for the report, such as which estimator won."""
        self.notes.append(text)
