"""Tracks runs for TensorBoard, one of its runs for each item.

Below ``<output_dir>/tensorboard`` each item has the curves of its search, as they are made, and when it is finished its
final measures, its figures and its verdicts. All of it stands in the item's report and folder, too.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from mechint import hookimpl
from mechint.spec.options import OptionsModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.utils.tensorboard import SummaryWriter

    from mechint.journal import Progress
    from mechint.results.values import ItemReport, RunReport
    from mechint.spec.values import Item, Plan

NAME = "tensorboard"


class Options(OptionsModel):
    """Tracking with TensorBoard."""

    figures: bool = True
    """Also log the drawings of every item."""

    @model_validator(mode="after")
    def _is_installed(self) -> Self:
        if find_spec("tensorboard") is None:
            raise ValueError("TensorBoard is not installed; pip install 'mechint[tensorboard]'")
        return self


@hookimpl
def mechint_options() -> type[Options]:
    return Options


@hookimpl
def mechint_observers() -> Sequence[object]:
    return [TensorBoardTracker()]


class TensorBoardTracker:
    """Watches one run of a spec; several items may be open at once."""

    def __init__(self) -> None:
        self._options: Options | None = None
        self._open: dict[str, tuple[SummaryWriter, int]] = {}
        """Each item's writer, with the number of steps it has logged."""
        self._waiting: list[tuple[ItemReport, Path]] = []

    @hookimpl
    def mechint_run_started(self, plan: Plan) -> None:
        options = plan.spec.trackers.get(NAME)
        if isinstance(options, Options):
            self._begin(options, Path(plan.spec.output_dir))

    @hookimpl
    def mechint_progress(self, item: Item, progress: Progress) -> None:
        from mechint.tracking.keys import curve_point

        if self._options is not None and progress.values:
            self._log(item.id, [curve_point(progress.values)])

    @hookimpl
    def mechint_item_finished(self, report: ItemReport, folder: Path) -> None:
        if self._options is None:
            self._waiting.append((report, folder))
        else:
            self._finish(report, folder)

    @hookimpl
    def mechint_run_finished(self, report: RunReport, output_dir: Path) -> None:
        if self._options is None and NAME in report.spec.trackers:  # a run of the past: nothing told of its start
            self._begin(Options.model_validate(report.spec.trackers[NAME]), output_dir)
            for item, folder in self._waiting:
                self._finish(item, folder)
        for writer, _ in self._open.values():  # of items that were interrupted
            writer.close()

    def _begin(self, options: Options, output_dir: Path) -> None:
        self._options, self._folder = options, output_dir / NAME

    def _finish(self, report: ItemReport, folder: Path) -> None:
        """Log what the item came to, and the steps of its search that were not watched."""
        from matplotlib.image import imread

        from mechint.results.describe import sentence
        from mechint.results.markup import escape
        from mechint.tracking.keys import curve_points, figures, summary

        self._log(report.id, curve_points(folder)[self._writer(report.id)[1] :])
        writer, _ = self._open.pop(report.id)
        for key, value in summary(report).items():
            if not isinstance(value, str):
                writer.add_scalar(f"final/{key}", value)
        if self._options is not None and self._options.figures:
            for key, path in figures(report, folder).items():
                writer.add_image(key, imread(path), dataformats="HWC")
        told = [f"- {verdict.outcome.value}: {escape(sentence(verdict))}" for verdict in report.verdicts]
        writer.add_text("mechint/verdicts", "\n".join(told))
        writer.close()

    def _log(self, item: str, points: Sequence[dict[str, float]]) -> None:
        writer, steps = self._writer(item)
        for step, point in enumerate(points, start=steps):
            for key, value in point.items():
                writer.add_scalar(key, value, step)
        self._open[item] = writer, steps + len(points)

    def _writer(self, item: str) -> tuple[SummaryWriter, int]:
        """The item's writer, in a folder without the events of earlier runs."""
        if item not in self._open:
            from torch.utils.tensorboard import SummaryWriter

            for old in (self._folder / item).glob("events.out.tfevents.*"):
                old.unlink()
            self._open[item] = SummaryWriter(log_dir=str(self._folder / item)), 0
        return self._open[item]
