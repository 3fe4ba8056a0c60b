"""``mechint merge``: the runs of several shards as one run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mechint.codes import Code
from mechint.engine.alone import alone_in
from mechint.engine.exit import ExitCode, conclude, worst
from mechint.engine.plugins import Plugins
from mechint.engine.run import open_folder, refuse_strangers
from mechint.engine.watchers import code_of_broken
from mechint.errors import UsageError
from mechint.results.store import read_report, write_report
from mechint.results.values import Outcome, RunReport

__all__ = ["Merged", "merge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Runs that have been put together."""

    report: RunReport
    code: ExitCode
    missing: tuple[str, ...]
    """Ids of items that were selected and are in none of the runs."""
    broken: Sequence[tuple[str, Exception]]
    """Observers that raised, by plugin name."""


def merge(
    runs: Sequence[Path], output_dir: Path, plugins: Plugins, wait: Callable[[Path], None] = lambda _: None
) -> Merged:
    """Put the results in several folders together in another; the items come in the order of the spec.

    Where items are missing, as those of a shard that was lost, the code says that the run is incomplete. ``wait`` is
    called where a run is at work in the folder, before waiting for its end. Raises UsageError for runs of which one
    does not fit the others.
    """
    reports = [read_report(run / "results.json") for run in runs]
    for run, report in zip(runs[1:], reports[1:], strict=True):
        _refuse_unlike(run, report, runs[0], reports[0])
    owners = _owners(runs, reports)
    folder = open_folder(str(output_dir))
    with alone_in(folder, wait):
        return _merge_into(folder, reports, owners, plugins)


def _merge_into(folder: Path, reports: Sequence[RunReport], owners: Mapping[str, Path], plugins: Plugins) -> Merged:
    """The merged run, written and told to observers."""
    skipped = {item.id for report in reports for item in report.items if item.outcome is Outcome.SKIPPED}
    for name, owner in owners.items():
        if name not in skipped:  # what lies in its folder is of an earlier run
            _copy_item(owner / name, folder / name)
    merged, missing = _put_together(reports), tuple(name for name in reports[0].selected if name not in owners)
    if missing:
        code = worst([ExitCode(merged.exit_code), ExitCode.INCOMPLETE])
        merged = merged.model_copy(update={"exit_code": int(code)})
    write_report(merged, folder)
    broken = plugins.notify("mechint_run_finished", report=merged, output_dir=folder)
    code = worst([ExitCode(merged.exit_code), code_of_broken(dict(broken), plugins)])
    return Merged(report=merged, code=code, missing=missing, broken=broken)


def _refuse_unlike(run: Path, report: RunReport, first_run: Path, first: RunReport) -> None:
    compared = {
        "spec": (report.spec.sha256, first.spec.sha256),
        "items selected": (report.selected, first.selected),
        "versions": (report.versions, first.versions),
        "smoke": (report.smoke, first.smoke),
    }
    for what, (here, there) in compared.items():
        if here != there:
            raise UsageError(
                f"{run} and {first_run} are no shards of one run: they differ in the {what}\n"
                f"  hint: run all shards with the same spec, options and versions",
                code=Code.MERGE,
            )


def _owners(runs: Sequence[Path], reports: Sequence[RunReport]) -> dict[str, Path]:
    """The run that each item is from; UsageError for an item that two runs have."""
    owners: dict[str, Path] = {}
    for run, report in zip(runs, reports, strict=True):
        for item in report.items:
            if item.id in owners:
                raise UsageError(f"{item.id} is in both {owners[item.id]} and {run}", code=Code.MERGE)
            owners[item.id] = run
    return owners


def _copy_item(source: Path, target: Path) -> None:
    """Copy an item's folder in place of an earlier one."""
    if not source.is_dir() or source.resolve() == target.resolve():
        return
    refuse_strangers(target)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def _put_together(reports: Sequence[RunReport]) -> RunReport:
    order = {name: number for number, name in enumerate(reports[0].selected)}
    items = [item for report in reports for item in report.items]
    items.sort(key=lambda item: order.get(item.id, len(order)))
    interrupted = any(report.interrupted for report in reports)
    outcome, code = conclude([item.outcome for item in items], interrupted=interrupted)
    return reports[0].model_copy(
        update={
            "started": min(report.started for report in reports),
            "seconds": sum(report.seconds for report in reports),
            "outcome": outcome,
            "exit_code": int(code),
            "interrupted": interrupted,
            "items": tuple(items),
        }
    )
