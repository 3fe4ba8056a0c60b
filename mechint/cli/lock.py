"""``mechint lock``."""

from __future__ import annotations

import click

from mechint.cli.ask import say

__all__ = ["lock"]


@click.command()
def lock() -> None:
    """Write plugins.lock: the installed plugins, to the byte. Where it lies, no others are loaded."""
    from mechint.engine.lock import LOCK, write_lock
    from mechint.engine.plugins import list_plugins

    names = write_lock(list_plugins())
    say(f"wrote {LOCK}: {', '.join(names) or 'no plugin is installed'}")
