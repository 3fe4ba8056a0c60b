"""What ``mechint-run --dry-run`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from mechint.cli.ask import count, say_error
from mechint.engine.exit import ExitCode

if TYPE_CHECKING:
    from mechint.engine.plugins import Plugins
    from mechint.spec.values import Plan

__all__ = ["tell_forecasts"]


def tell_forecasts(plans: Sequence[Plan], plugins: Mapping[str, Plugins]) -> ExitCode:
    """Print what every item will take; INCOMPLETE where one of them cannot be measured."""
    from mechint.engine.dry_run import describe_forecast, forecast
    from mechint.results.describe import duration, harmless

    seconds: list[float] = []
    code = ExitCode.PASSED
    for plan in plans:
        for item in (item for item in plan.items if item.cell.skip is None):
            try:
                told = forecast(item, plugins[plan.spec.path])
            except Exception as error:  # whatever a method raises costs its own item only
                say_error(f"{item.nodeid}: {error}" if str(error) else f"{item.nodeid}: {type(error).__name__}")
                code = ExitCode.INCOMPLETE
                continue
            for line in describe_forecast(told):
                click.echo(harmless(line))
            seconds.append(told.seconds)
    click.echo(f"\n{count(len(seconds), 'item')}, about {duration(sum(seconds))} in all; figures are not counted")
    return code
