"""Running a plan: every item, then the report, then the reporters."""

from __future__ import annotations

import platform
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from mechint import __version__
from mechint.codes import Code
from mechint.engine.exit import ExitCode, conclude, holds, worst
from mechint.engine.item import finish_item, measure_item, seal_item, skipped_item
from mechint.engine.judge import judge
from mechint.engine.measured import Measured, waits_for_others
from mechint.engine.plugins import Plugins
from mechint.engine.smoke import soften
from mechint.engine.watchers import Watchers
from mechint.errors import UsageError
from mechint.journal import Progress
from mechint.results.facts import spec_facts
from mechint.results.reporting import Reporting
from mechint.results.store import write_report
from mechint.results.values import ItemReport, RunReport, Versions
from mechint.spec.values import Item, Plan

__all__ = ["Finished", "failures", "open_folder", "refuse_strangers", "run_plan"]

WRITTEN_BY_EVERY_RUN = ("metrics.jsonl", "result.json")
"""What tells an item's folder: the first file that a search leaves, and the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run that is over."""

    report: RunReport
    code: ExitCode
    broken: Sequence[tuple[str, Exception]]
    """Observers that raised, by plugin name; each is said once."""


def run_plan(plan: Plan, plugins: Plugins, reporting: Reporting, most_failures: int | None = None) -> Finished:
    """Run every item of a plan in turn; an interrupt ends the run after what is finished has been written.

    With ``most_failures`` so many items that do not hold end it too.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    output_dir = open_folder(plan.spec.output_dir)
    for item in plan.items:
        refuse_strangers(output_dir / item.id)
    watchers = Watchers(plugins, reporting)
    watchers.notify("mechint_run_started", plan=plan)
    reports = [skipped_item(item) for item in plan.items if item.cell.skip is not None]
    interrupted = _run_items(plan, plugins, output_dir, watchers, reports, most_failures)
    order = {item.id: number for number, item in enumerate(plan.items)}
    reports.sort(key=lambda report: order[report.id])
    outcome, code = conclude([report.outcome for report in reports], interrupted=interrupted)
    report = RunReport(
        spec=spec_facts(plan.spec),
        started=started.isoformat(timespec="seconds"),
        seconds=time.monotonic() - clock,
        versions=Versions(mechint=__version__, python=platform.python_version(), torch=version("torch")),
        outcome=outcome,
        exit_code=code,
        interrupted=interrupted,
        smoke=plan.smoke,
        collected=plan.collected,
        selected=plan.selected,
        items=tuple(reports),
    )
    write_report(report, output_dir)
    watchers.notify("mechint_run_finished", report=report, output_dir=output_dir)
    if not watchers.broken.keys() <= _of_trackers(watchers.broken, plan, plugins):
        code = worst([code, ExitCode.INTERNAL])
    return Finished(report=report, code=code, broken=tuple(watchers.broken.items()))


def _of_trackers(observers: Collection[str], plan: Plan, plugins: Plugins) -> set[str]:
    """Which of the observers mirror the run elsewhere: where one of them breaks, the run is none the worse."""
    trackers = [plugins.listed[name] for name in plan.spec.trackers]
    return {
        observer
        for observer in observers
        if any(observer == tracker.name or observer.startswith(f"{tracker.module}.") for tracker in trackers)
    }


def open_folder(path: str) -> Path:
    """The run's folder, made if it is missing; raises UsageError before anything is computed if it cannot be."""
    _refuse_links(Path(path))
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"output_dir {path!r} cannot be written to: {error.strerror}", code=Code.OUTPUT_DIR) from None
    return Path(path)


def _refuse_links(folder: Path) -> None:
    """Raise UsageError where links lead a folder below the working directory out of it: a spec may be a stranger's."""
    if not folder.is_absolute() and not folder.resolve().is_relative_to(Path.cwd().resolve()):
        raise UsageError(
            f"output_dir {str(folder)!r} is led out of the working directory by a link, to {str(folder.resolve())!r}\n"
            f"  hint: name that folder yourself: --set output_dir={folder.resolve()}",
            code=Code.OUTPUT_DIR,
        )


def refuse_strangers(folder: Path) -> None:
    """Raise UsageError for a folder of an item's name whose files no run has written: a run would remove them."""
    if folder.is_symlink():
        raise UsageError(f"{str(folder)!r} is a link, and a run empties an item's folder; remove the link")
    files = {entry.name for entry in folder.iterdir() if not entry.is_dir()} if folder.is_dir() else set()
    if files and files.isdisjoint(WRITTEN_BY_EVERY_RUN):
        raise UsageError(
            f"{str(folder)!r} holds {min(files)!r} and no analysis, so it is not emptied for one\n"
            f"  hint: choose another output_dir",
            code=Code.OUTPUT_DIR,
        )


def _run_items(
    plan: Plan,
    plugins: Plugins,
    output_dir: Path,
    watchers: Watchers,
    reports: list[ItemReport],
    most_failures: int | None,
) -> bool:
    """Measure and judge every item, adding each report as it is finished; whether the run was interrupted.

    Where items are judged together, all of them are finished at the end, so until then only broken ones are failures.
    """
    waiting: list[Measured] = []
    together, interrupted = waits_for_others(plan), False
    try:
        for item in plan.items:
            if item.cell.skip is not None:
                continue
            waiting.append(_measure_one(item, plugins, output_dir / item.id, watchers))
            if not together:
                _finish(waiting, watchers, reports, smoke=plan.smoke)
            if most_failures is not None and failures(reports) + _broken(waiting) >= most_failures:
                break
    except KeyboardInterrupt:
        interrupted = True
    _finish(waiting, watchers, reports, smoke=plan.smoke)
    return interrupted


def failures(reports: Sequence[ItemReport]) -> int:
    """How many items have something against them."""
    return sum(not holds(report.outcome) for report in reports)


def _broken(waiting: Sequence[Measured]) -> int:
    return sum(one.report.error is not None for one in waiting)


def _measure_one(item: Item, plugins: Plugins, folder: Path, watchers: Watchers) -> Measured:
    watchers.notify("mechint_item_started", item=item)

    def watch(progress: Progress) -> None:
        watchers.notify("mechint_progress", item=item, progress=progress)

    return measure_item(item, plugins, folder, watch)


def _finish(waiting: list[Measured], watchers: Watchers, reports: list[ItemReport], *, smoke: bool) -> None:
    """Judge what waits, write it and tell the observers."""
    for one, judged in zip(waiting, judge(waiting), strict=True):
        report = finish_item(soften(judged) if smoke else judged, one.folder)
        watchers.notify("mechint_item_finished", report=report, folder=one.folder)
        reports.append(seal_item(report, one.folder))
    waiting.clear()
