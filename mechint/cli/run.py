"""``mechint-run`` and ``mechint validate``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from mechint import __version__
from mechint.cli.ask import HELP, count, for_each, load_plugins, say
from mechint.cli.forecast import tell_forecasts
from mechint.cli.measuring import measuring
from mechint.cli.observers import report_command, say_broken
from mechint.cli.redraw import draw_again, to_draw_again
from mechint.cli.run_options import RunOptions, run_options
from mechint.engine.exit import ExitCode, worst
from mechint.engine.last_failed import failed_first, read_failed, remember
from mechint.engine.select import named_specs, refuse_shared_folders, select
from mechint.engine.smoke import shrink
from mechint.errors import UsageError
from mechint.spec.find import find_specs

if TYPE_CHECKING:
    from mechint.engine.plugins import Listed, Plugins
    from mechint.engine.run import Way
    from mechint.results.values import RunReport
    from mechint.spec.values import Plan

__all__ = ["run_command", "validate"]


@click.command("run", context_settings=HELP)
@run_options
@click.version_option(__version__, prog_name="mechint")
def run_command(asked: RunOptions) -> None:
    """Run the analyses of one or more SPECs and check their faithfulness assertions. A folder stands for its specs.

    With --from-runs, or where --models names a finished analysis, draw that again; its verdicts are the exit status.

    Exit status: 0 all passed, 1 an assertion failed, 2 interrupted, 3 internal or plugin error, 4 wrong usage or spec,
    5 nothing collected or selected, 7 an item could not be measured, 8 undecided.
    """
    finished = None if asked.validate else to_draw_again(asked.models, asked.from_runs)
    if not asked.specs and finished is None:
        raise UsageError("no spec given\n  hint: mechint-run specs/kv_ablation.yaml")
    found, ids = named_specs(asked.specs)
    if asked.validate:
        sys.exit(for_each(found, lambda path: _validate(path, asked.overrides, asked.named)))
    if finished is not None:
        sys.exit(draw_again(finished, found, asked))
    from mechint.engine.plugins import list_plugins

    plans: list[Plan] = []
    listed = list_plugins()
    plugins: dict[str, Plugins] = {}
    code = for_each(found, lambda path: plans.append(_collect(path, asked, listed, plugins)))
    if code is not ExitCode.PASSED:
        sys.exit(code)
    failed = read_failed() if asked.last_failed or asked.failed_first else frozenset()
    plans = failed_first(select(plans, asked.selection(ids, failed)), failed)
    running = [plan for plan in plans if plan.items]
    refuse_shared_folders(running)
    if asked.collect_only:
        _print_items(plans, asked.reporting.verbosity)
        sys.exit(ExitCode.PASSED)
    if asked.dry_run:
        sys.exit(tell_forecasts(running, plugins))
    if asked.in_process and any(plan.spec.limits.model_fields_set for plan in running):
        click.echo("limits have no effect with --in-process", err=True)
    with measuring(asked.workers, asked.cache_dir, in_process=asked.in_process, force=asked.force) as way:
        sys.exit(_run_all(running, plugins, asked, way))


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
def validate(specs: tuple[str, ...]) -> None:
    """Check specs and show every fault with its line and column. A folder stands for its specs."""
    sys.exit(for_each(find_specs(specs), lambda path: _validate(path)))


def _validate(path: str, overrides: Sequence[str] = (), named: Sequence[str] = ()) -> None:
    from mechint.engine.collect import read_spec

    spec = read_spec(path, load_plugins(named), overrides)
    click.echo(f"{path}: valid, {count(len(spec.cells), 'item')} for each checkpoint")


def _collect(path: str, asked: RunOptions, listed: Mapping[str, Listed], plugins: dict[str, Plugins]) -> Plan:
    """The plan of a spec; the plugins that were loaded for it are added under its path."""
    from mechint.engine.collect import collect_plan

    reporters = () if asked.collect_only else asked.reporters
    plugins[path] = load_plugins((*reporters, *asked.named), listed)
    plan = collect_plan(path, plugins[path], models=asked.models, overrides=asked.overrides)
    return shrink(plan) if asked.smoke else plan


def _run_all(plans: Sequence[Plan], plugins: Mapping[str, Plugins], asked: RunOptions, way: Way) -> ExitCode:
    """Run every plan until one is interrupted or as many items failed as are allowed; the worst code."""
    from mechint.engine.run import failures, run_plan

    codes: list[ExitCode] = []
    reports: list[RunReport] = []
    allowed = asked.failures_allowed
    for plan in plans:
        finished = run_plan(plan, plugins[plan.spec.path], asked.reporting, replace(way, most_failures=allowed))
        if finished.trouble:
            click.echo(finished.trouble, err=True)
        reports.append(finished.report)
        codes.append(finished.code)
        say_broken(finished.broken)
        _remember(finished.report)
        if allowed is not None:
            allowed -= failures(finished.report.items)
        if finished.report.interrupted or (allowed is not None and allowed <= 0):
            break
    codes.append(report_command(reports, plugins[plans[0].spec.path], asked.reporting))
    return worst(codes)


def _remember(report: RunReport) -> None:
    try:
        remember(report)
    except OSError as error:
        click.echo(f"which items failed cannot be noted for --lf: {error}", err=True)


def _print_items(plans: Sequence[Plan], verbosity: int) -> None:
    for plan in plans:
        for item in plan.items:
            say(item.nodeid)
    if verbosity < 0:
        return
    collected, left = sum(plan.collected for plan in plans), sum(len(plan.items) for plan in plans)
    if left == collected:
        click.echo(f"\n{count(collected, 'item')} collected")
    else:
        click.echo(f"\n{left}/{count(collected, 'item')} collected ({collected - left} deselected)")
