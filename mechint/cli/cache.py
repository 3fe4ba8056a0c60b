"""``mechint cache``: what runs have measured and kept."""

from __future__ import annotations

from pathlib import Path

import click

from mechint.cli.ask import count, say
from mechint.files import cache_folder

__all__ = ["cache"]

_FOLDER = click.option(
    "--dir", "folder", type=click.Path(path_type=Path), help="Instead of the user's cache folder or MECHINT_CACHE_DIR."
)


@click.group()
def cache() -> None:
    """Look at measured items that runs have kept, and remove them."""


@cache.command("ls")
@_FOLDER
def list_entries(folder: Path | None) -> None:
    """List every measured item with its size and the days since it was last used."""
    from mechint.engine.cache import Cache

    root = folder or cache_folder()
    entries = sorted(Cache(root=root).entries(), key=lambda entry: -entry.used)
    for entry in entries:
        state = "damaged" if entry.damaged else f"{entry.days:.0f} d"
        say(f"{entry.folder.name[:12]}  {entry.size / 2**20:8.1f} MiB  {state:>7}  {entry.item}")
    size = sum(entry.size for entry in entries) / 2**20
    click.echo(f"{count(len(entries), 'item')}, {size:.1f} MiB in {root}")


@cache.command("gc")
@_FOLDER
@click.option(
    "--days", type=click.FloatRange(min=0), default=30, show_default=True, help="Keep what was used since; 0 for none."
)
def collect(folder: Path | None, days: float) -> None:
    """Remove measured items that are damaged or were not used for some days."""
    from mechint.engine.cache import Cache

    removed, size = Cache(root=folder or cache_folder()).collect(days)
    click.echo(f"removed {count(removed, 'item')}, {size / 2**20:.1f} MiB")
