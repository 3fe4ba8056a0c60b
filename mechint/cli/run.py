"""``mechint-run`` and ``mechint validate``."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mechint import __version__
from mechint.cli.ask import HELP, count, for_each, load_plugins
from mechint.cli.measuring import measuring
from mechint.engine.exit import ExitCode, worst
from mechint.errors import UsageError
from mechint.spec.find import find_specs

if TYPE_CHECKING:
    from mechint.engine.plugins import Listed, Plugins
    from mechint.engine.run import Way
    from mechint.spec.values import Plan

__all__ = ["run_command", "validate"]

REPORTERS = ("terminal", "markdown")
"""Loaded for every run."""


@click.command("run", context_settings=HELP)
@click.argument("specs", nargs=-1, metavar="SPEC...")
@click.option(
    "--models", metavar="PATH", help="Analyse this file, glob, folder, package:… or hf:… instead of the spec's."
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key: method.steps=50.")
@click.option(
    "-p", "--plugin", "named", multiple=True, metavar="NAME", help="Load an installed plugin: a reporter, metrics."
)
@click.option(
    "-n", "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Items measured side by side."
)
@click.option("--in-process", is_flag=True, help="Measure in this process, without limits, for a debugger.")
@click.option("--force", is_flag=True, help="Measure again what earlier runs have measured.")
@click.option("--cache-dir", type=click.Path(path_type=Path), help="Keep measured items here, not in the user's cache.")
@click.option("--validate", is_flag=True, help="Check the specs and stop.")
@click.option("--collect-only", is_flag=True, help="List the items that would run and stop.")
@click.version_option(__version__, prog_name="mechint")
def run_command(
    specs: tuple[str, ...],
    models: str | None,
    overrides: tuple[str, ...],
    named: tuple[str, ...],
    workers: int,
    cache_dir: Path | None,
    *,
    in_process: bool,
    force: bool,
    validate: bool,
    collect_only: bool,
) -> None:
    """Run the analyses of one or more SPECs and check their faithfulness assertions. A folder stands for its specs.

    Exit status: 0 all passed, 1 an assertion failed, 2 interrupted, 3 internal or plugin error, 4 wrong usage or spec,
    5 nothing collected, 7 an item could not be measured, 8 undecided.
    """
    if not specs:
        raise UsageError("no spec given\n  hint: mechint-run specs/kv_ablation.yaml")
    found = find_specs(specs)
    if validate:
        sys.exit(for_each(found, lambda path: _validate(path, overrides, named)))
    from mechint.engine.plugins import list_plugins

    plans: list[tuple[Plan, Plugins]] = []
    listed = list_plugins()
    code = for_each(found, lambda path: plans.append(_collect(path, models, overrides, named, listed)))
    if code is not ExitCode.PASSED:
        sys.exit(code)
    _refuse_shared_folders([plan for plan, _ in plans])
    if collect_only:
        _print_items([plan for plan, _ in plans])
        sys.exit(ExitCode.PASSED)
    if in_process and any(plan.spec.limits.model_fields_set for plan, _ in plans):
        click.echo("limits have no effect with --in-process", err=True)
    with measuring(workers, cache_dir, in_process=in_process, force=force) as way:
        sys.exit(worst(list(_run_all(plans, way))))


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
def validate(specs: tuple[str, ...]) -> None:
    """Check specs and show every fault with its line and column. A folder stands for its specs."""
    sys.exit(for_each(find_specs(specs), lambda path: _validate(path)))


def _validate(path: str, overrides: Sequence[str] = (), named: Sequence[str] = ()) -> None:
    from mechint.engine.collect import read_spec

    spec = read_spec(path, load_plugins(named), overrides)
    click.echo(f"{path}: valid, {count(len(spec.cells), 'item')} for each checkpoint")


def _collect(
    path: str, models: str | None, overrides: Sequence[str], named: Sequence[str], listed: Mapping[str, Listed]
) -> tuple[Plan, Plugins]:
    from mechint.engine.collect import collect_plan

    plugins = load_plugins((*REPORTERS, *named), listed)
    return collect_plan(path, plugins, models=models, overrides=overrides), plugins


def _run_all(plans: Sequence[tuple[Plan, Plugins]], way: Way) -> Iterator[ExitCode]:
    """Run plan after plan, until one is interrupted."""
    for plan, plugins in plans:
        code = _run(plan, plugins, way)
        yield code
        if code is ExitCode.INTERRUPTED:
            return


def _run(plan: Plan, plugins: Plugins, way: Way) -> ExitCode:
    from mechint.engine.run import run_plan

    finished = run_plan(plan, plugins, way)
    if finished.trouble:
        click.echo(finished.trouble, err=True)
    for name, error in finished.broken:
        click.echo("".join(traceback.format_exception(error)), err=True)
        click.echo(f"observer {name} broke; the other reports are complete", err=True)
    return finished.code


def _print_items(plans: Sequence[Plan]) -> None:
    for plan in plans:
        for item in plan.items:
            click.echo(item.nodeid)
    click.echo(f"\n{count(sum(len(plan.items) for plan in plans), 'item')} collected")


def _refuse_shared_folders(plans: Sequence[Plan]) -> None:
    """Two specs that write to one folder would overwrite each other's results."""
    owners: dict[Path, str] = {}
    for plan in plans:
        folder = Path(plan.spec.output_dir).resolve()
        if folder in owners:
            raise UsageError(
                f"{owners[folder]} and {plan.spec.path} both write to {plan.spec.output_dir}\n"
                f"  hint: give each its own output_dir"
            )
        owners[folder] = plan.spec.path
