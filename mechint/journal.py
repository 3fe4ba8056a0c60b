"""How a long computation says where it is, so that it need not know who is watching, and keeps what is finished."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mechint.files import atomic_write
from mechint.steps import State, Steps

if TYPE_CHECKING:
    from torch import Tensor

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
    parts: Path | None = None
    """Folder for finished parts of long computations, where an interrupted run finds them; None keeps nothing."""
    seconds_between: float = 5.0
    """How long a part waits before it is written once more; what was finished since then is lost with the run."""
    _written: dict[str, float] = field(default_factory=dict)
    _begun: Counter[str] = field(default_factory=Counter)

    def log(self, stage: str, done: int, total: int, **values: float) -> None:
        """Record one step of a stage, ``done`` of ``total``, with what it measured."""
        self.rows.append({"stage": stage, "step": done - 1, **values})
        self.watch(Progress(stage=stage, done=done, total=total, values=values))

    def progress(self, stage: str, done: int, total: int) -> None:
        """Say how far a stage is that measures nothing worth a curve."""
        self.watch(Progress(stage=stage, done=done, total=total, values={}))

    def steps(self, stage: str, total: int, state: State) -> Steps:
        """The steps of a loop, from where an interrupted run left it, with everything that they change restored.

        A loop is told from others by its stage, its length and how many of that stage began before it.
        """
        self._begun[stage] += 1
        name = f"{re.sub(r'[^a-z0-9]+', '_', stage.lower())}-{self._begun[stage]}-of-{total}.pt"
        path = None if self.parts is None else self.parts / name
        steps = Steps(path, total, state, self.rows, self.seconds_between)
        if steps.damaged:
            self._note_damage(name)
        return steps

    def note(self, text: str) -> None:
        """Record a sentence for the report, such as which estimator won."""
        self.notes.append(text)

    def keep(self, name: str, tensors: Mapping[str, Tensor], *, finished: bool) -> None:
        """Write a part in place of what was kept under its name; one that is not finished only from time to time.

        The name says everything that the part depends on: a later run that asks for it takes it as it is.
        """
        if self.parts is None:
            return
        at = time.monotonic()
        if not finished and at - self._written.get(name, -self.seconds_between) < self.seconds_between:
            return
        from safetensors.torch import save

        with atomic_write(self.parts / f"{name}.safetensors") as stream:
            stream.write(save(dict(tensors)))
        self._written[name] = at

    def find(self, name: str) -> dict[str, Tensor] | None:
        """What was kept under a name, by this run or an earlier one; None where there is nothing that can be read."""
        path = None if self.parts is None else self.parts / f"{name}.safetensors"
        if path is None or not path.is_file():
            return None
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            return load(path.read_bytes())
        except SafetensorError:
            self._note_damage(path.name)
            return None

    def _note_damage(self, name: str) -> None:
        self.note(f"{name} of an earlier run is damaged, so that its part is computed again")
