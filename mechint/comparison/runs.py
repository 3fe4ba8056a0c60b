"""Finished runs, read from their folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mechint.checkpoint.masks import read_masks
from mechint.circuit.space import Site, SiteUnits, Space
from mechint.errors import UsageError
from mechint.faithfulness.per_example import PerExample
from mechint.faithfulness.per_example_file import load_per_example
from mechint.natural import natural_key
from mechint.results.store import read_report
from mechint.results.values import ItemReport, RunReport

__all__ = ["Run", "SavedCircuit", "read_runs"]

RESULTS = "results.json"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SavedCircuit:
    """A circuit as it was saved: the units kept out of a space, and the scores of all."""

    space: Space
    kept: NDArray[np.bool_]
    """``[n]``"""
    scores: NDArray[np.float32]
    """``[n]``"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """One finished run."""

    name: str
    """The last parts of its path that tell it from the other runs'."""
    folder: Path
    report: RunReport

    def circuit(self, item: ItemReport) -> SavedCircuit:
        """What an item keeps; UsageError where its file cannot be read."""
        return _circuit(self._file(item, "final_masks.pt"))

    def values(self, item: ItemReport) -> PerExample:
        """What an item measured, example by example; UsageError where its file cannot be read."""
        return load_per_example(self._file(item, "per_example.safetensors"))

    def _file(self, item: ItemReport, name: str) -> Path:
        path = self.folder / item.id / name
        if not path.is_file():
            raise UsageError(f"{path}: is not there, though {RESULTS} has the item\n  hint: run the spec again")
        return path


def _circuit(path: Path) -> SavedCircuit:
    """The circuit in a file of masks. Each column of a mask is a unit: a space of heads has sites of width 1."""
    masks = read_masks(str(path))
    sites = tuple(
        SiteUnits(site=Site(mask.layer, mask.kind), heads=len(mask.kept), width=mask.kept.shape[1]) for mask in masks
    )
    kept = np.concatenate([mask.kept.ravel() for mask in masks])
    scores = np.concatenate([mask.scores.ravel() for mask in masks])
    return SavedCircuit(space=Space(sites=sites), kept=kept, scores=scores)


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """The runs in these folders, in natural order of their names; UsageError for a folder that is no run."""
    reports = [_read(folder) for folder in folders]
    names = _names([folder.resolve() for folder in folders])
    runs = [
        Run(name=name, folder=folder, report=report)
        for name, folder, report in zip(names, folders, reports, strict=True)
    ]
    return sorted(runs, key=lambda run: natural_key(run.name))


def _read(folder: Path) -> RunReport:
    if not (folder / RESULTS).is_file():
        why = f"it has no {RESULTS}" if folder.is_dir() else "there is no such folder"
        raise UsageError(f"{folder}: is no run of mechint: {why}\n  hint: give the output_dir of a spec that was run")
    return read_report(folder / RESULTS)


def _names(folders: Sequence[Path]) -> list[str]:
    """The fewest last parts of each path that keep all apart; a folder that is given twice is numbered."""
    deepest = max(len(folder.parts) for folder in folders)
    apart = len(set(folders))
    for count in range(1, deepest + 1):
        names = ["/".join(folder.parts[-count:]) for folder in folders]
        if len(set(names)) == apart:
            break
    return [
        name if names.count(name) == 1 else f"{name}#{names[: place + 1].count(name)}"
        for place, name in enumerate(names)
    ]
