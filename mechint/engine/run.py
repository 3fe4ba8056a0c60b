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
from mechint.engine.exit import ExitCode, conclude, worst
from mechint.engine.item import finish_item, measure_item, seal_item
from mechint.engine.judge import judge
from mechint.engine.measured import Measured, waits_for_others
from mechint.engine.plugins import Plugins
from mechint.engine.watchers import Watchers
from mechint.errors import UsageError
from mechint.journal import Progress
from mechint.results.facts import spec_facts
from mechint.results.store import write_report
from mechint.results.values import ItemReport, RunReport, Versions
from mechint.spec.values import Item, Plan

__all__ = ["Finished", "run_plan"]

WRITTEN_BY_EVERY_RUN = ("metrics.jsonl", "result.json")
"""What tells an item's folder: the first file that a search leaves, and the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run that is over."""

    report: RunReport
    code: ExitCode
    broken: Sequence[tuple[str, Exception]]
    """Observers that raised, by plugin name; each is said once."""


def run_plan(plan: Plan, plugins: Plugins) -> Finished:
    """Run every item of a plan in turn; an interrupt ends the run after what is finished has been written."""
    started, clock = datetime.now(UTC), time.monotonic()
    output_dir = _open_folder(plan.spec.output_dir)
    for item in plan.items:
        _refuse_strangers(output_dir / item.id)
    watchers = Watchers(plugins)
    watchers.notify("mechint_run_started", plan=plan)
    reports: list[ItemReport] = []
    interrupted = _run_items(plan, plugins, output_dir, watchers, reports)
    outcome, code = conclude([report.outcome for report in reports], interrupted=interrupted)
    report = RunReport(
        spec=spec_facts(plan.spec),
        started=started.isoformat(timespec="seconds"),
        seconds=time.monotonic() - clock,
        versions=Versions(mechint=__version__, python=platform.python_version(), torch=version("torch")),
        outcome=outcome,
        exit_code=code,
        interrupted=interrupted,
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


def _open_folder(path: str) -> Path:
    """The run's folder, made if it is missing; raises UsageError before anything is computed if it cannot be."""
    _refuse_links(Path(path))
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"output_dir {path!r} cannot be written to: {error.strerror}") from None
    return Path(path)


def _refuse_links(folder: Path) -> None:
    """Raise UsageError where links lead a folder below the working directory out of it: a spec may be a stranger's."""
    if not folder.is_absolute() and not folder.resolve().is_relative_to(Path.cwd().resolve()):
        raise UsageError(
            f"output_dir {str(folder)!r} is led out of the working directory by a link, to {str(folder.resolve())!r}\n"
            f"  hint: name that folder yourself: --set output_dir={folder.resolve()}"
        )


def _refuse_strangers(folder: Path) -> None:
    """Raise UsageError for a folder of an item's name whose files no run has written: a run would remove them."""
    if folder.is_symlink():
        raise UsageError(f"{str(folder)!r} is a link, and a run empties an item's folder; remove the link")
    files = {entry.name for entry in folder.iterdir() if not entry.is_dir()} if folder.is_dir() else set()
    if files and files.isdisjoint(WRITTEN_BY_EVERY_RUN):
        raise UsageError(
            f"{str(folder)!r} holds {min(files)!r} and no analysis, so it is not emptied for one\n"
            f"  hint: choose another output_dir"
        )


def _run_items(plan: Plan, plugins: Plugins, output_dir: Path, watchers: Watchers, reports: list[ItemReport]) -> bool:
    """Measure and judge every item, adding each report as it is finished; whether the run was interrupted.

    Where items are judged together, all of them are finished at the end.
    """
    waiting: list[Measured] = []
    together, interrupted = waits_for_others(plan), False
    try:
        for item in plan.items:
            waiting.append(_measure_one(item, plugins, output_dir / item.id, watchers))
            if not together:
                _finish(waiting, watchers, reports)
    except KeyboardInterrupt:
        interrupted = True
    _finish(waiting, watchers, reports)
    return interrupted


def _measure_one(item: Item, plugins: Plugins, folder: Path, watchers: Watchers) -> Measured:
    watchers.notify("mechint_item_started", item=item)

    def watch(progress: Progress) -> None:
        watchers.notify("mechint_progress", item=item, progress=progress)

    return measure_item(item, plugins, folder, watch)


def _finish(waiting: list[Measured], watchers: Watchers, reports: list[ItemReport]) -> None:
    """Judge what waits, write it and tell the observers."""
    for one, judged in zip(waiting, judge(waiting), strict=True):
        report = finish_item(judged, one.folder)
        watchers.notify("mechint_item_finished", report=report, folder=one.folder)
        reports.append(seal_item(report, one.folder))
    waiting.clear()
