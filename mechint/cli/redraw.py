"""``mechint-run --from-runs DIR``, and ``--models`` on a finished analysis: drawing again, without a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mechint.cli.ask import count, load_plugins, say, say_waiting
from mechint.cli.observers import report_command, say_broken
from mechint.engine.exit import ExitCode, worst
from mechint.errors import UsageError

if TYPE_CHECKING:
    from mechint.checkpoint.finished import FinishedAnalysis
    from mechint.cli.run_options import RunOptions
    from mechint.spec.values import Spec

__all__ = ["draw_again", "to_draw_again"]


def to_draw_again(models: str | None, from_runs: str | None) -> FinishedAnalysis | None:
    """What the command line asks to draw again; None where it asks for an analysis."""
    if models is None and from_runs is None:
        return None
    from mechint.checkpoint.finished import find_finished

    if from_runs is None:
        assert models is not None, "one of the two is given"
        return find_finished(models)
    if models is not None:
        raise UsageError("--from-runs draws a finished run again and has no use for --models; give one of them")
    return find_finished(from_runs, checkpoints_beside=True) or _refuse(from_runs)


def draw_again(finished: FinishedAnalysis, specs: Sequence[str], asked: RunOptions) -> ExitCode:
    """Draw a finished analysis again; a spec is read for what observers take from it, and judges nothing."""
    if len(specs) > 1:
        raise UsageError(f"{finished.folder} is one analysis to draw again, and {len(specs)} specs were given")
    if asked.dry_run:
        raise UsageError("--dry-run tries the steps of an analysis, and drawing a finished one again has none")
    if asked.overrides and not specs:
        raise UsageError("--set changes a spec, and none was given")
    if finished.kind == "older":
        return _draw_older(finished.folder, collect_only=asked.collect_only)
    if asked.collect_only:
        return _print_items(finished.folder)
    from mechint.engine.redraw import redraw_run

    loaded = load_plugins((*asked.reporters, *asked.named))
    spec: Spec | None = None
    if specs:
        from mechint.engine.collect import read_spec

        spec = read_spec(specs[0], loaded, asked.overrides)
    drawn = redraw_run(finished.folder, loaded, asked.reporting, spec, say_waiting)
    say_broken(drawn.broken)
    return worst([drawn.code, report_command([drawn.report], loaded, asked.reporting)])


def _refuse(path: str) -> FinishedAnalysis:
    """Raise the UsageError for a folder that holds nothing to draw."""
    if (Path(path) / "results.json").is_file():
        from mechint.results.store import read_report

        read_report(Path(path) / "results.json")
    raise UsageError(f"{path!r} holds no finished analysis: neither a run's results.json nor final_masks.pt")


def _draw_older(folder: Path, *, collect_only: bool) -> ExitCode:
    if collect_only:
        click.echo(f"{folder}: an analysis of the older tool\n\n1 item to draw again")
        return ExitCode.PASSED
    from mechint.engine.older import redraw_older

    drawn = redraw_older(folder)
    click.echo(f"{folder}: an analysis of the older tool, drawn again; no model was loaded, nothing was measured")
    click.echo(f"kept {drawn.kept} of {count(drawn.channels, 'channel')} in {count(drawn.layers, 'layer')}")
    for missing in drawn.missing:
        click.echo(f"not drawn: {missing}")
    click.echo(f"report: {drawn.report}")
    return ExitCode.PASSED


def _print_items(folder: Path) -> ExitCode:
    from mechint.results.store import read_report

    report = read_report(folder / "results.json")
    for item in report.items:
        say(item.nodeid)
    click.echo(f"\n{count(len(report.items), 'item')} to draw again")
    return ExitCode.PASSED
