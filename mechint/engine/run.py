"""Running a plan: what is not known is measured, everything is judged, then come the report and the reporters."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

from mechint import __version__
from mechint.codes import Code
from mechint.engine.alone import alone_in
from mechint.engine.cache import Cache
from mechint.engine.exit import ExitCode, conclude, holds, worst
from mechint.engine.item import WRITTEN_BY_EVERY_RUN, finish_item, measure_item, seal_item, skipped_item
from mechint.engine.job import Execute, Job, Watch, with_less
from mechint.engine.judge import judge
from mechint.engine.key import Keys
from mechint.engine.known import Known
from mechint.engine.measured import Measured, waits_for_others
from mechint.engine.plugins import Plugins
from mechint.engine.smoke import soften
from mechint.engine.watchers import Watchers, code_of_broken
from mechint.errors import UsageError
from mechint.files import is_leftover, sweep_leftovers
from mechint.journal import Progress
from mechint.results.facts import spec_facts
from mechint.results.reporting import Reporting
from mechint.results.store import write_report
from mechint.results.values import ItemReport, RunReport, Versions
from mechint.spec.limits import Limits
from mechint.spec.values import Item, Plan

__all__ = ["Finished", "Way", "failures", "open_folder", "refuse_strangers", "run_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run that is over."""

    report: RunReport
    code: ExitCode
    broken: Sequence[tuple[str, Exception]]
    """Observers that raised, by plugin name; each is said once."""
    trouble: str = ""
    """Why what was measured could not be kept for other runs; empty where it was, or none was to be kept."""


def measure_here(jobs: Sequence[Job], plugins: Plugins, limits: Limits, watch: Watch) -> None:  # noqa: ARG001
    """Measure jobs one after another in this process, where nothing can be limited."""
    for job in jobs:
        watch.started(job.item)
        measured = measure_item(job, plugins, partial(watch.progressed, job.item))
        if (again := with_less(job, measured)) is not None:
            measured = measure_item(again, plugins, partial(watch.progressed, job.item))
        watch.ended(job, measured)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How the items of a plan are measured."""

    execute: Execute = measure_here
    cache: Cache | None = None
    """What is shared between runs; None for what lies in the run's own folder alone."""
    force: bool = False
    """Measure what is known too."""
    threads: int = 0
    """Of each process that measures, where that is set; 0 for the libraries' own choice."""
    most_failures: int | None = None
    """How many items that do not hold end the run; None for any number."""
    wait: Callable[[Path], None] = lambda _: None
    """Called where another run is at work in the folder, before waiting for its end."""


def run_plan(plan: Plan, plugins: Plugins, reporting: Reporting, way: Way | None = None) -> Finished:
    """Run every item of a plan; an interrupt ends the run after what is finished has been written."""
    way = way or Way()
    output_dir = open_folder(plan.spec.output_dir)
    for item in plan.items:
        refuse_strangers(output_dir / item.id)
    with alone_in(output_dir, way.wait):
        sweep_leftovers(output_dir)
        return _run(plan, plugins, Watchers(plugins, reporting), way, output_dir)


def _run(plan: Plan, plugins: Plugins, watchers: Watchers, way: Way, output_dir: Path) -> Finished:
    started, clock = datetime.now(UTC), time.monotonic()
    watchers.notify("mechint_run_started", plan=plan)
    known = Known(keys=Keys(plugins=plugins, threads=way.threads), cache=way.cache, force=way.force)
    desk = _Desk(plan, known, watchers, way.most_failures)
    interrupted = _run_items(plan, plugins, way, output_dir, desk)
    reports = desk.in_order()
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
    code = worst([code, code_of_broken(watchers.broken, plugins)])
    return Finished(report=report, code=code, broken=tuple(watchers.broken.items()), trouble=known.trouble)


def open_folder(path: str) -> Path:
    """The run's folder, made if it is missing; raises UsageError before anything is computed if it cannot be."""
    _refuse_links(Path(path))
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
        os.listdir(os.path.join(path, "."))  # what is in it is looked at
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
    if not folder.is_dir():
        return
    try:
        files = {entry.name for entry in folder.iterdir() if not entry.is_dir() and not is_leftover(entry)}
    except OSError:  # its item says so, which cannot be written
        return
    if files and files.isdisjoint(WRITTEN_BY_EVERY_RUN):
        raise UsageError(
            f"{str(folder)!r} holds {min(files)!r} and no analysis, so it is not emptied for one\n"
            f"  hint: choose another output_dir",
            code=Code.OUTPUT_DIR,
        )


def _run_items(plan: Plan, plugins: Plugins, way: Way, output_dir: Path, desk: _Desk) -> bool:
    """Take what is known, measure the rest and judge all; whether the run was interrupted."""
    interrupted = False
    try:
        jobs = []
        for item in plan.items:
            if item.cell.skip is not None:
                continue
            found = desk.known.find(item, output_dir / item.id)
            if isinstance(found, Job):
                jobs.append(found)
            else:
                desk.take(found)
        if jobs:
            way.execute(jobs, plugins, plan.spec.limits, desk)
    except _EnoughFailed:  # what else is at work is stopped
        pass
    except KeyboardInterrupt:
        interrupted = True
    desk.finish()
    return interrupted


def failures(reports: Sequence[ItemReport]) -> int:
    """How many items have something against them."""
    return sum(not holds(report.outcome) for report in reports)


class _EnoughFailed(Exception):
    """As many items do not hold as may."""


class _Desk:
    """Where measured items arrive, in any order; judges and writes each as soon as its verdict depends on no other.

    Where items are judged together, only broken ones are failures until the end.
    """

    def __init__(self, plan: Plan, known: Known, watchers: Watchers, most_failures: int | None) -> None:
        self.known = known
        self._watchers = watchers
        self._smoke = plan.smoke
        self._most_failures = most_failures
        self._together = waits_for_others(plan)
        self._places = {item.id: place for place, item in enumerate(plan.items)}
        self._waiting: list[Measured] = []
        self._reports = [skipped_item(item) for item in plan.items if item.cell.skip is not None]

    def started(self, item: Item) -> None:
        self._watchers.notify("mechint_item_started", item=item)

    def progressed(self, item: Item, progress: Progress) -> None:
        self._watchers.notify("mechint_progress", item=item, progress=progress)

    def ended(self, job: Job, measured: Measured) -> None:
        self.known.keep(job, measured)
        report = measured.report
        note = self.known.notes.get(job.item.id)
        update = {"cached": job.drawn, "summary": (*report.summary, *([note] if note else []))}
        self.take(replace(measured, report=report.model_copy(update=update)))

    def take(self, measured: Measured) -> None:
        """Add an item to those that wait for their verdicts; raises where so many fail that the run ends."""
        self._waiting.append(measured)
        if not self._together:
            self.finish()
        broken = sum(one.report.error is not None for one in self._waiting)
        if self._most_failures is not None and failures(self._reports) + broken >= self._most_failures:
            raise _EnoughFailed

    def finish(self) -> None:
        """Judge what waits, write it and tell the observers."""
        waiting = sorted(self._waiting, key=lambda one: self._places[one.item.id])
        for one, judged in zip(waiting, judge(waiting), strict=True):
            report = finish_item(soften(judged) if self._smoke else judged, one.folder)
            self._watchers.notify("mechint_item_finished", report=report, folder=one.folder)
            self._reports.append(seal_item(report, one.folder))
        self._waiting.clear()

    def in_order(self) -> list[ItemReport]:
        """The reports of all finished items, in the plan's order."""
        return sorted(self._reports, key=lambda report: self._places[report.id])
