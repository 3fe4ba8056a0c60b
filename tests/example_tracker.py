"""Writes the curves of all items into one table: ``curve_table: {file: curves.csv}`` in a spec."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from mechint import hookimpl
from mechint.spec.options import OptionsModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mechint.journal import Progress
    from mechint.results.values import RunReport
    from mechint.spec.values import Item, Plan

NAME = "curve_table"


class Options(OptionsModel):
    """A table of all curves."""

    file: str = "curves.csv"
    """Its name in output_dir."""


@hookimpl
def mechint_options() -> type[Options]:
    return Options


@hookimpl
def mechint_observers() -> Sequence[object]:
    return [CurveTable()]


class CurveTable:
    """Collects the steps of every item, and writes them when the run is over."""

    def __init__(self) -> None:
        self._options: Options | None = None
        self._rows: list[tuple[str, str, float]] = []

    @hookimpl
    def mechint_run_started(self, plan: Plan) -> None:
        options = plan.spec.trackers.get(NAME)
        if isinstance(options, Options):
            self._options = options

    @hookimpl
    def mechint_progress(self, item: Item, progress: Progress) -> None:
        from mechint.tracking.keys import curve_point

        self._rows += [(item.id, key, value) for key, value in curve_point(progress.values).items()]

    @hookimpl
    def mechint_run_finished(self, report: RunReport, output_dir: Path) -> None:
        if self._options is not None:
            with (output_dir / self._options.file).open("w", newline="") as stream:
                csv.writer(stream).writerows([("item", "key", "value"), *self._rows])
