"""Commands that look at what there is: methods, the schema, a checkpoint, a task."""

from __future__ import annotations

import json
import sys

import click

from mechint.cli.ask import load_plugins
from mechint.engine.exit import ExitCode

__all__ = ["doctor", "methods", "schema", "task"]


@click.command()
def schema() -> None:
    """Print the JSON Schema of specs, for editors."""
    from mechint.engine.collect import catalog_of, load_all
    from mechint.engine.plugins import Plugins, list_plugins
    from mechint.engine.turned_off import turned_off
    from mechint.spec.schema import compose_schema

    listed = list_plugins()
    plugins = Plugins(listed, turned_off(listed, ()))
    load_all(plugins)
    click.echo(json.dumps(compose_schema(catalog_of(plugins)), indent=2))


@click.command()
@click.argument("name", required=False)
def methods(name: str | None) -> None:
    """List the analysis methods, or describe the options of the plugin NAME."""
    from mechint.engine.describe import describe_plugin, list_methods
    from mechint.engine.plugins import Plugins, list_plugins
    from mechint.engine.turned_off import turned_off

    listed = list_plugins()
    plugins = Plugins(listed, turned_off(listed, ()))
    click.echo(list_methods(plugins) if name is None else describe_plugin(plugins, name))


@click.command()
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

    examined = examine(state(checkpoint, facts), load_plugins(named), prompt)
    click.echo("\n".join(examined.lines))
    sys.exit(ExitCode.PASSED if examined.sound else ExitCode.INCOMPLETE)


@click.group()
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

    plugins = load_plugins(named)
    plan = collect_plan(spec, plugins, models=models, overrides=overrides)
    click.echo("\n".join(show_task(plan.items[0], plugins, count)))
