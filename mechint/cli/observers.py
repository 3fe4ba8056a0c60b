"""Observers at the end of a command: what is over all runs, and those that broke."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mechint.cli.ask import say_error
from mechint.errors import refusal

if TYPE_CHECKING:
    from mechint.engine.exit import ExitCode
    from mechint.engine.plugins import Plugins
    from mechint.results.reporting import Reporting
    from mechint.results.values import RunReport

__all__ = ["report_command", "say_broken"]


def report_command(reports: Sequence[RunReport], plugins: Plugins, asked: Reporting) -> ExitCode:
    """Let reporters write what is over all runs of a command; the code for those that broke."""
    from mechint.engine.watchers import code_of_broken

    broken = plugins.notify("mechint_command_finished", reports=reports, reporting=asked)
    say_broken(broken)
    return code_of_broken(dict(broken), plugins)


def say_broken(broken: Sequence[tuple[str, Exception]]) -> None:
    """Say which observers raised, each with its traceback where it is not the system that refused something."""
    for name, error in broken:
        say_error(refusal(error) or "".join(traceback.format_exception(error)))
        say_error(f"observer {name} broke; the other reports are complete")
