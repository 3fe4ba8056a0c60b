"""Drawing a finished run again: its figures, its reports and what observers make of it, from what the run saved.

1. Read ``results.json`` and refuse what contradicts itself, leads out of the run's folder or has changed since the run.
2. Draw each item's figures with the function that drew them for the run.
3. Tell observers each item's report, then the run's.

No checkpoint, no data and no method is run; verdicts and exit code are the run's. The same program on the same files
writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from mechint.engine.alone import alone_in
from mechint.engine.draw import draw_item
from mechint.engine.exit import ExitCode, conclude, worst
from mechint.engine.item import SAVED
from mechint.engine.plugins import Plugins
from mechint.engine.run import Finished
from mechint.engine.watchers import Watchers, code_of_broken
from mechint.errors import UsageError
from mechint.files import sha256_of
from mechint.results.facts import spec_facts
from mechint.results.reporting import Reporting
from mechint.results.store import DONE, read_json, read_report, write_done
from mechint.results.values import ItemReport, Outcome, RunReport
from mechint.spec.suggest import did_you_mean
from mechint.spec.values import Spec

__all__ = ["redraw_run"]


def redraw_run(
    folder: Path,
    plugins: Plugins,
    reporting: Reporting,
    spec: Spec | None = None,
    wait: Callable[[Path], None] = lambda _: None,
) -> Finished:
    """Draw the run in a folder again; UsageError, before anything is written, where its files do not allow that.

    Trackers are told that the run names, or those of ``spec`` where the command line gives one. ``wait`` is called
    where a run is at work in the folder, before waiting for its end.
    """
    with alone_in(folder, wait):
        return _redraw(folder, plugins, reporting, spec)


def _redraw(folder: Path, plugins: Plugins, reporting: Reporting, spec: Spec | None) -> Finished:
    report = read_report(folder / "results.json")
    code = _code_of(report, folder)
    drawn = [item for item in report.items if item.outcome is not Outcome.SKIPPED]
    for item in drawn:
        _check_place(item, folder)
        if item.error is None:
            _load_method(item, plugins, folder)
            _refuse_changed(item, folder / item.id)
    told = report if spec is None else report.model_copy(update={"spec": spec_facts(spec)})
    for name in told.spec.trackers:
        plugins.load(name)
    watchers = Watchers(plugins, reporting)
    watchers.notify("mechint_redraw_started", report=told, output_dir=folder)
    for item in drawn:
        _redraw_item(item, plugins, folder / item.id, watchers)
    watchers.notify("mechint_run_finished", report=told, output_dir=folder)
    code = worst([code, code_of_broken(watchers.broken, plugins)])
    return Finished(report=report, code=code, broken=tuple(watchers.broken.items()))


def _code_of(report: RunReport, folder: Path) -> ExitCode:
    """The run's exit code, which its items must bear out; of merged shards one may have been lost."""
    outcome, code = conclude([item.outcome for item in report.items], interrupted=report.interrupted)
    lost = set(report.selected) - {item.id for item in report.items}
    if lost and report.exit_code == worst([code, ExitCode.INCOMPLETE]):
        code = ExitCode(report.exit_code)
    if (outcome, code) != (report.outcome, report.exit_code):
        raise UsageError(
            f"{folder / 'results.json'}: states {report.outcome.value} with exit code {report.exit_code}, and its "
            f"items come to {outcome.value} with {int(code)}; it is not as the run wrote it"
        )
    return code


def _check_place(item: ItemReport, folder: Path) -> None:
    """Refuse a link that leads out of the run's folder: a report may come from a stranger."""
    place = folder / item.id
    if place.is_symlink() or not place.is_dir():
        raise UsageError(f"{folder}: the folder of {item.id} is missing; copy the run's folder whole")


def _load_method(item: ItemReport, plugins: Plugins, folder: Path) -> None:
    name = item.method.get("name")
    if not isinstance(name, str) or name not in plugins.listed:
        meant = did_you_mean(name, plugins.listed) if isinstance(name, str) else ""
        raise UsageError(
            f"{folder}: {item.id} was found by {name!r}, and no method of that name is installed{meant}\n"
            "  hint: install the package that it came with"
        )
    plugins.load(name)


def _refuse_changed(item: ItemReport, folder: Path) -> None:
    """Refuse arrays that are missing, or that are others than DONE states: the figures would not be the run's."""
    saved = [name for name in SAVED if name in item.artifacts]
    if missing := [name for name in saved if not (folder / name).is_file()]:
        raise UsageError(f"{folder}: {missing[0]} is missing; copy the run's folder whole")
    if not (folder / DONE).is_file():
        return
    hashes = read_json(folder / DONE)
    for name in saved:
        if not isinstance(hashes, Mapping) or hashes.get(name) != sha256_of(folder / name):
            raise UsageError(f"{folder / name}: has changed since the run, so that a drawing would not be the run's")


def _redraw_item(item: ItemReport, plugins: Plugins, folder: Path, watchers: Watchers) -> None:
    if item.error is None:
        try:
            draw_item(item, plugins, folder)
        except OSError as error:
            raise UsageError(f"{folder}: cannot be written to: {error.strerror}") from None
    watchers.notify("mechint_item_finished", report=item, folder=folder)
    if (folder / DONE).is_file():
        write_done(folder)
