"""Arguments and exit codes of ``mechint`` and ``mechint-run``.

A command imports what it runs when it runs, so that ``--help`` waits for nothing.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from mechint import __version__
from mechint.engine.exit import ExitCode, code_of_error, worst
from mechint.errors import MechintError, UsageError
from mechint.spec.find import find_specs

if TYPE_CHECKING:
    from mechint.engine.plugins import Plugins
    from mechint.spec.values import Plan

__all__ = ["main", "main_run"]

ALWAYS = ("metrics", "architectures")
"""Loaded for every spec."""
REPORTERS = ("terminal", "markdown")
"""Loaded for every run."""
HELP = {"help_option_names": ["-h", "--help"]}


@click.command("run", context_settings=HELP)
@click.argument("specs", nargs=-1, metavar="SPEC...")
@click.option(
    "--models", metavar="PATH", help="Analyse this file, glob, folder, package:… or hf:… instead of the spec's."
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key: method.steps=50.")
@click.option(
    "-p", "--plugin", "named", multiple=True, metavar="NAME", help="Load an installed plugin: a reporter, metrics."
)
@click.option("--validate", is_flag=True, help="Check the specs and stop.")
@click.option("--collect-only", is_flag=True, help="List the items that would run and stop.")
@click.version_option(__version__, prog_name="mechint")
def run_command(
    specs: tuple[str, ...],
    models: str | None,
    overrides: tuple[str, ...],
    named: tuple[str, ...],
    *,
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
        sys.exit(_for_each(found, lambda path: _validate(path, overrides, named)))
    plans: list[tuple[Plan, Plugins]] = []
    code = _for_each(found, lambda path: plans.append(_collect(path, models, overrides, named)))
    if code is not ExitCode.PASSED:
        sys.exit(code)
    _refuse_shared_folders([plan for plan, _ in plans])
    if collect_only:
        _print_items([plan for plan, _ in plans])
        sys.exit(ExitCode.PASSED)
    codes: list[ExitCode] = []
    for plan, loaded in plans:
        codes.append(_run(plan, loaded))
        if codes[-1] is ExitCode.INTERRUPTED:
            break
    sys.exit(worst(codes))


@click.group(context_settings=HELP)
@click.version_option(__version__, prog_name="mechint")
def cli() -> None:
    """Pytest for circuits: find circuits in trained models and gate on their faithfulness."""


cli.add_command(run_command)


@cli.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
def validate(specs: tuple[str, ...]) -> None:
    """Check specs and show every fault with its line and column. A folder stands for its specs."""
    sys.exit(_for_each(find_specs(specs), lambda path: _validate(path)))


@cli.command()
def schema() -> None:
    """Print the JSON Schema of specs, for editors."""
    from mechint.engine.collect import catalog_of, load_all
    from mechint.engine.plugins import Plugins, list_plugins
    from mechint.spec.schema import compose_schema

    plugins = Plugins(list_plugins())
    load_all(plugins)
    click.echo(json.dumps(compose_schema(catalog_of(plugins)), indent=2))


@cli.command()
@click.argument("name", required=False)
def methods(name: str | None) -> None:
    """List the analysis methods, or describe the options of the plugin NAME."""
    from mechint.engine.describe import describe_plugin, list_methods
    from mechint.engine.plugins import Plugins, list_plugins

    plugins = Plugins(list_plugins())
    click.echo(list_methods(plugins) if name is None else describe_plugin(plugins, name))


@cli.command()
@click.argument("checkpoint")
@click.option("--set", "facts", multiple=True, metavar="KEY=VALUE", help="State a fact as a spec would: n_head=12.")
@click.option("--prompt", metavar="TEXT", help="Also show the most probable next tokens of a text.")
@click.option(
    "-p", "--plugin", "named", multiple=True, metavar="NAME", help="Load an installed plugin: tables of sites."
)
def doctor(checkpoint: str, facts: tuple[str, ...], prompt: str | None, named: tuple[str, ...]) -> None:
    """Load CHECKPOINT, say what it is and check its sites.

    CHECKPOINT is a file, a folder, package:name/glob or hf:org/name@revision. Exit status 7 where it cannot be loaded
    or a check fails.
    """
    from mechint.engine.doctor import examine, state

    examined = examine(state(checkpoint, facts), _plugins(named), prompt)
    click.echo("\n".join(examined.lines))
    sys.exit(ExitCode.PASSED if examined.sound else ExitCode.INCOMPLETE)


@cli.group()
def baseline() -> None:
    """Approve runs that later ones are compared with."""


@baseline.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--reason", required=True, help="Why this run is what later ones should be like; kept in the file.")
@click.option("--to", "target", type=click.Path(path_type=Path), help="The file, by default baselines/NAME.json.")
def approve(run: Path, reason: str, target: Path | None) -> None:
    """Make the results in the folder RUN the baseline of their spec.

    Refused for a run with errors, and where CI is set.
    """
    from mechint.engine.baseline import approve as approve_run

    click.echo(f"wrote {approve_run(run, reason, target)}")


@baseline.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("path", required=False, metavar="[BASELINE]")
def diff(run: Path, path: str | None) -> None:
    """Show what has changed between a BASELINE, by default that of the spec, and the results in RUN."""
    from mechint.engine.diff import diff as diff_run

    click.echo("\n".join(diff_run(run, path)))


@cli.command()
@click.argument("spec")
@click.option("--draws", type=click.IntRange(min=20), default=300, show_default=True, help="Samples of examples.")
@click.option("--seed", type=int, default=0, show_default=True)
def selftest(spec: str, draws: int, seed: int) -> None:
    """Test SPEC's own assertions: how often they would fail or change their verdict on other examples.

    Uses what the last run of SPEC left in its output_dir, and leaves selftest.md there.
    """
    from mechint.engine.collect import read_spec
    from mechint.engine.selftest import selftest as test_spec

    for tested in test_spec(read_spec(spec, _plugins(())), draws, seed):
        shares = ", ".join(f"{what} {share:.1%}" for what, share in tested.shares.items())
        click.echo(f"{tested.family}  {tested.assertion}: {shares}")


@cli.group()
def task() -> None:
    """Look at the behaviours that specs test."""


@task.command("show")
@click.argument("spec")
@click.option("-n", "--count", type=click.IntRange(min=1), default=3, show_default=True, help="Examples to print.")
@click.option("--models", metavar="PATH", help="Use this checkpoint instead of the spec's.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key: task.seed=1.")
@click.option("-p", "--plugin", "named", multiple=True, metavar="NAME", help="Load an installed plugin.")
def show(spec: str, count: int, models: str | None, overrides: tuple[str, ...], named: tuple[str, ...]) -> None:
    """Print examples of SPEC's task with their tokens, answers, the model's own and the metric.

    Of several items the first is shown.
    """
    from mechint.engine.collect import collect_plan
    from mechint.engine.show_task import show_task

    plugins = _plugins(named)
    plan = collect_plan(spec, plugins, models=models, overrides=overrides)
    click.echo("\n".join(show_task(plan.items[0], plugins, count)))


@cli.command()
@click.option(
    "--variants",
    default="V0,V1",
    show_default=True,
    help="V0 vanilla GPT-2, V1 with tied keys and values, V2 with reciprocal attention; toys with known circuits: "
    "induction, modular_addition, hand_induction.",
)
@click.option("--output-dir", type=click.Path(path_type=Path), default="output", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path), default="data/stdlib", show_default=True)
@click.option("--steps", type=click.IntRange(min=1), default=None, help="Optimiser steps of each variant.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--force", is_flag=True, help="Train again where a final checkpoint exists.")
@click.option("--data-only", is_flag=True, help="Prepare the data and stop.")
def train(
    variants: str,
    output_dir: Path,
    data_dir: Path,
    steps: int | None,
    seed: int,
    *,
    force: bool,
    data_only: bool,
) -> None:
    """Train the reference checkpoints on the Python standard library's source, or toys whose circuits are known."""
    from mechint.training.stdlib_data import prepare_docstrings, prepare_stdlib
    from mechint.training.trainer import train as train_variants

    if data_only:
        prepare_stdlib(data_dir)
        prepare_docstrings(data_dir)
        return
    train_variants(variants.split(","), output_dir, data_dir, seed=seed, steps=steps, force=force)


def main() -> NoReturn:
    """Entry point of ``mechint``."""
    _start(cli, "mechint")


def main_run() -> NoReturn:
    """Entry point of ``mechint-run``, which is ``mechint run``."""
    _start(run_command, "mechint-run")


def _start(command: click.Command, name: str) -> NoReturn:
    """Run a command; errors a user can mend get one message and their code, anything else keeps its traceback."""
    # Before torch is imported: threads that wait for each other by spinning take many times as long on busy cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        sys.exit(command.main(prog_name=name, standalone_mode=False) or ExitCode.PASSED)
    except MechintError as error:
        click.echo(error, err=True)
        sys.exit(code_of_error(error))
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has left; nobody is there to be told.
        sys.stderr.close()
        sys.exit(ExitCode.INTERRUPTED)
    except Exception:
        # Python's own code for this is 1, which here means that an assertion failed.
        traceback.print_exc()
        sys.exit(ExitCode.INTERNAL)


def _for_each(specs: Sequence[str], act: Callable[[str], Any]) -> ExitCode:
    """Do something for every spec, so that all faults of all specs are shown; the worst code."""
    codes = []
    for path in specs:
        try:
            act(path)
            codes.append(ExitCode.PASSED)
        except MechintError as error:
            click.echo(error, err=True)
            codes.append(code_of_error(error))
    return worst(codes)


def _validate(path: str, overrides: Sequence[str] = (), named: Sequence[str] = ()) -> None:
    from mechint.engine.collect import read_spec

    spec = read_spec(path, _plugins(named), overrides)
    click.echo(f"{path}: valid, {_count(len(spec.cells), 'item')} for each checkpoint")


def _collect(path: str, models: str | None, overrides: Sequence[str], named: Sequence[str]) -> tuple[Plan, Plugins]:
    from mechint.engine.collect import collect_plan

    plugins = _plugins((*REPORTERS, *named))
    return collect_plan(path, plugins, models=models, overrides=overrides), plugins


def _plugins(names: Sequence[str]) -> Plugins:
    from mechint.engine.plugins import Plugins, list_plugins
    from mechint.spec.suggest import did_you_mean

    plugins = Plugins(list_plugins())
    for name in (*ALWAYS, *names):
        if name not in plugins.listed:
            raise UsageError(f"no plugin is named {name!r}{did_you_mean(name, plugins.listed)}")
        plugins.load(name)
    return plugins


def _run(plan: Plan, plugins: Plugins) -> ExitCode:
    from mechint.engine.run import run_plan

    finished = run_plan(plan, plugins)
    for name, error in finished.broken:
        click.echo("".join(traceback.format_exception(error)), err=True)
        click.echo(f"observer {name} broke; the other reports are complete", err=True)
    return finished.code


def _print_items(plans: Sequence[Plan]) -> None:
    for plan in plans:
        for item in plan.items:
            click.echo(item.nodeid)
    click.echo(f"\n{_count(sum(len(plan.items) for plan in plans), 'item')} collected")


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


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
