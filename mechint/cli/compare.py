"""``mechint compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mechint.errors import UsageError

if TYPE_CHECKING:
    from mechint.comparison.values import Comparison
    from mechint.results.tables import Table

__all__ = ["compare"]


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("--base", metavar="NAME", help="What the others are compared with: an entry, a run or an item.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("mechint_comparison"),
    show_default=True,
    help="Folder for the report.",
)
def compare(runs: tuple[Path, ...], base: str | None, output: Path) -> None:
    """Compare what is in one or more RUNs: checkpoints, seeds and whole runs, from what they saved.

    A RUN is the output_dir of a spec that was run. What differs beyond chance is said in words. Exit status 0 whatever
    is found, since this is no gate, and 4 for a folder that is no run.
    """
    from mechint.comparison.compare import compare as compare_runs
    from mechint.comparison.report import PAGE, WEB_PAGE, write_files

    found = compare_runs(runs, base)
    if found is None:
        raise UsageError(
            "nothing in these runs can be compared: no two entries share a method and a task\n"
            "  hint: give another run, or a run of several checkpoints or seeds"
        )
    write_files(found, output)
    for line in _tell(found):
        click.echo(line)
    click.echo(f"\npage: {output / WEB_PAGE}\nreport: {output / PAGE}")


def _tell(comparison: Comparison) -> list[str]:
    """The entries of every group, what is unlike, and the findings."""
    from mechint.comparison.tables import entry_table
    from mechint.results.describe import harmless, visible

    lines: list[str] = []
    for group in comparison.groups:
        lines += [group.name, *_columns(entry_table(group))]
        lines += [
            f"  {one.entry}: {one.what} is {one.value}, not {one.base_value}; not compared: {one.leaves_out}"
            for one in group.unlike
            if one.leaves_out
        ]
        lines.append("")
    lines += [f"not compared: {line}" for line in comparison.left_out]
    lines += [f"{comparison.conclusion}{':' if comparison.findings else ''}"]
    lines += [f"- {finding}" for finding in comparison.findings]
    # Names come from files: no line may steer the terminal.
    return [harmless(visible(line) if not line.startswith("  ") else f"  {line[2:].rstrip()}") for line in lines]


def _columns(table: Table) -> list[str]:
    """The table in columns, two spaces apart; words to the left, numbers to the right."""
    rows = [table.header, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.header))]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if column < table.words else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
