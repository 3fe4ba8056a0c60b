"""What several commands do: load plugins, go through specs and count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from mechint.codes import Code
from mechint.engine.exit import ExitCode, code_of_error, worst
from mechint.errors import MechintError, UsageError, coded
from mechint.results.redact import redact

if TYPE_CHECKING:
    from pathlib import Path

    from mechint.engine.plugins import Listed, Plugins

__all__ = ["HELP", "count", "for_each", "load_plugins", "say", "say_error", "say_waiting"]

ALWAYS = ("metrics", "architectures")
"""Loaded for every spec."""
HELP = {"help_option_names": ["-h", "--help"]}


def load_plugins(names: Sequence[str], listed: Mapping[str, Listed] | None = None) -> Plugins:
    """The plugins that every spec has, and those named, but for ``no:NAME``; UsageError for a name that nothing has.

    ``listed`` are those that there are, for a caller who asks more than once.
    """
    from mechint.engine.plugins import Plugins, list_plugins
    from mechint.engine.turned_off import OFF, turned_off
    from mechint.spec.suggest import did_you_mean

    listed = list_plugins() if listed is None else listed
    plugins = Plugins(listed, turned_off(listed, names))
    for name in (*ALWAYS, *(name.removeprefix(OFF) for name in names)):
        if name not in listed:
            raise UsageError(f"no plugin is named {name!r}{did_you_mean(name, listed)}", code=Code.UNKNOWN_PLUGIN)
        if f"{OFF}{name}" not in names:
            plugins.load(name)
    return plugins


def for_each(specs: Sequence[str], act: Callable[[str], Any]) -> ExitCode:
    """Do something for every spec, so that all faults of all specs are shown; the worst code."""
    codes = []
    for path in specs:
        try:
            act(path)
            codes.append(ExitCode.PASSED)
        except MechintError as error:
            say_error(error)
            codes.append(code_of_error(error))
    return worst(codes)


def say(line: str, *, err: bool = False) -> None:
    """Print a line with names from files, which can neither steer the terminal nor command a build that logs it."""
    from mechint.results.describe import harmless

    click.echo(harmless(line), err=err)


def say_error(error: Exception | str) -> None:
    """Print an error to standard error, without the secrets that a path or a URL in it may hold."""
    text = coded(error) if isinstance(error, MechintError) else str(error)
    click.echo(redact(text).rstrip("\n"), err=True)


def say_waiting(folder: Path) -> None:
    """Say that another program is at work in a run's folder."""
    from mechint.engine.alone import waiting

    click.echo(waiting(folder), err=True)


def count(number: int, thing: str) -> str:
    """A number of things in words: 1 item, 2 items."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
