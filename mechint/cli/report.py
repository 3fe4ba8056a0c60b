"""``mechint report``."""

from __future__ import annotations

from pathlib import Path

import click

from mechint.cli.ask import load_plugins, say_waiting

__all__ = ["report"]

REPORTER = "html"


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
def report(run: Path, *, show: bool) -> None:
    """Write report.html of the finished run in the folder RUN again, and print its path."""
    import webbrowser

    from mechint.engine.alone import alone_in
    from mechint.results.store import read_report

    with alone_in(run, say_waiting):
        read = read_report(run / "results.json")
        load_plugins((REPORTER,)).ask(REPORTER, "mechint_run_finished", report=read, output_dir=run)
    page = run / "report.html"
    click.echo(page)
    if show and not webbrowser.open(page.resolve().as_uri()):
        click.echo("no browser could be started; open the page yourself", err=True)
