"""``mechint merge``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mechint.cli.ask import count, load_plugins, say, say_waiting
from mechint.cli.observers import report_command, say_broken
from mechint.cli.run_options import JUNIT, SARIF, reporters
from mechint.engine.exit import worst

__all__ = ["merge"]


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("-o", "--output-dir", required=True, type=click.Path(path_type=Path), help="Where the results go.")
@JUNIT
@SARIF
@click.option("-p", "--plugin", "named", multiple=True, metavar="NAME", help="Load an installed plugin: a reporter.")
def merge(
    runs: tuple[Path, ...], output_dir: Path, junit: str | None, sarif: str | None, named: tuple[str, ...]
) -> None:
    """Put the results of shards, each in its folder RUN, together into one report with one exit code.

    Exit status as of the run that was not divided; 7 where items of it are in none of the folders.
    """
    from mechint.engine.merge import merge as merge_runs
    from mechint.results.describe import run_line
    from mechint.results.reporting import Reporting

    asked = Reporting(junit=junit, sarif=sarif)
    plugins = load_plugins((*reporters(asked), *named))
    merged = merge_runs(runs, output_dir, plugins, say_waiting)
    say_broken(merged.broken)
    for name in merged.missing:
        say(f"{merged.report.spec.path}::{name} is in none of the runs", err=True)
    click.echo(f"merged {count(len(runs), 'run')}: {run_line(merged.report)}")
    click.echo(f"report: {output_dir / 'report.md'}")
    sys.exit(worst([merged.code, report_command([merged.report], plugins, asked)]))
