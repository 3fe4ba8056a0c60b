"""Commands on finished runs: approve one, compare with it, test a spec's own gates."""

from __future__ import annotations

from pathlib import Path

import click

from mechint.cli.ask import load_plugins, say, say_waiting

__all__ = ["baseline", "selftest"]


@click.group()
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

    for line in diff_run(run, path):
        say(line)


@click.command()
@click.argument("spec")
@click.option("--draws", type=click.IntRange(min=20), default=300, show_default=True, help="Samples of examples.")
@click.option("--seed", type=int, default=0, show_default=True)
def selftest(spec: str, draws: int, seed: int) -> None:
    """Test SPEC's own assertions: how often they would fail or change their verdict on other examples.

    Uses what the last run of SPEC left in its output_dir, and leaves selftest.md there.
    """
    from mechint.engine.alone import alone_in
    from mechint.engine.collect import read_spec
    from mechint.engine.selftest import selftest as test_spec

    read = read_spec(spec, load_plugins(()))
    with alone_in(Path(read.output_dir), say_waiting):
        found = test_spec(read, draws, seed)
    for tested in found:
        shares = ", ".join(f"{what} {share:.1%}" for what, share in tested.shares.items())
        say(f"{tested.family}  {tested.assertion}: {shares}")
