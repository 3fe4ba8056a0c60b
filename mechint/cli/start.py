"""The programs ``mechint`` and ``mechint-run``, and what their exit codes mean.

A command imports what it runs when it runs, so that ``--help`` waits for nothing.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import NoReturn

import click

from mechint import __version__
from mechint.cli.ask import HELP, say_error
from mechint.cli.cache import cache
from mechint.cli.come_over import import_kconfig
from mechint.cli.compare import compare
from mechint.cli.convert import convert
from mechint.cli.explain import explain
from mechint.cli.gate import baseline, selftest
from mechint.cli.lock import lock
from mechint.cli.look import doctor, methods, schema, task
from mechint.cli.merge import merge
from mechint.cli.report import report
from mechint.cli.run import run_command, validate
from mechint.cli.train import train
from mechint.engine.exit import ExitCode, code_of_error
from mechint.errors import MechintError, refusal

__all__ = ["main", "main_run"]


@click.group(context_settings=HELP)
@click.version_option(__version__, prog_name="mechint")
def cli() -> None:
    """Pytest for circuits: find circuits in trained models and gate on their faithfulness."""


_COMMANDS = (
    run_command,
    validate,
    merge,
    methods,
    schema,
    doctor,
    task,
    report,
    baseline,
    compare,
    selftest,
    explain,
    cache,
    lock,
    train,
    convert,
    import_kconfig,
)

for _command in _COMMANDS:
    cli.add_command(_command)


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
        say_error(error)
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
    except SystemExit:
        raise
    except BaseException as error:
        if (refused := refusal(error)) is not None:
            say_error(refused)
            sys.exit(code_of_error(refused))
        # Python's own code for this is 1, which here means that an assertion failed.
        say_error(traceback.format_exc())
        sys.exit(ExitCode.INTERNAL)
