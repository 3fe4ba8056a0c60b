"""Telling the folder of a finished analysis from one of checkpoints, as ``MODELS=`` must."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mechint.checkpoint.paths import MASKS, WEIGHTS
from mechint.errors import UsageError
from mechint.natural import natural_key
from mechint.results.store import read_json

__all__ = ["FinishedAnalysis", "find_finished"]

_RESULTS, _RESULT = "results.json", "result.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedAnalysis:
    """A folder whose figures and reports can be drawn again from what lies in it."""

    kind: Literal["run", "older"]
    """A run of this program, or an analysis of the older tool."""
    folder: Path


def find_finished(path: str, *, checkpoints_beside: bool = False) -> FinishedAnalysis | None:
    """The finished analysis at a path: a run's folder, that of one of its items, or the older tool's; None for others.

    Raises UsageError for an item's folder without its run, and, unless ``checkpoints_beside``, for a folder that holds
    both a run and checkpoints: old verdicts must not be taken for those on the checkpoints.
    """
    folder = Path(os.path.expanduser(path))
    if "\0" in path or not folder.is_dir():
        return None
    if _holds_run(folder):
        if not checkpoints_beside:
            _refuse_checkpoints(folder)
        return FinishedAnalysis(kind="run", folder=folder)
    if not os.path.lexists(folder / MASKS):
        return None
    if not (folder / _RESULT).is_file():
        return FinishedAnalysis(kind="older", folder=folder)
    run = Path(os.path.realpath(folder)).parent if folder.name in ("", "..") else folder.parent
    if not _holds_run(run):
        raise UsageError(
            f"{str(folder)!r} is an item of a run, whose results.json is not in {str(run)!r}\n"
            "  hint: copy the run's folder whole"
        )
    return FinishedAnalysis(kind="run", folder=run)


def _holds_run(folder: Path) -> bool:
    """Whether results.json is a report of this program; other tools have files of that name."""
    if not (folder / _RESULTS).is_file():
        return False
    try:
        report = read_json(folder / _RESULTS)
    except UsageError:
        return False
    return isinstance(report, dict) and {"schema_version", "items"} <= report.keys()


def _refuse_checkpoints(folder: Path) -> None:
    weights = sorted((name for name in os.listdir(folder) if name.endswith(WEIGHTS)), key=natural_key)
    if weights:
        raise UsageError(
            f"{str(folder)!r} holds a finished run (results.json) and checkpoints ({weights[0]})\n"
            f"  hint: --from-runs draws the run again; --models '{folder}/*{Path(weights[0]).suffix}' analyses the "
            "checkpoints"
        )
