"""Which plugins may not be loaded, and why."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from mechint.engine.plugins import Listed

__all__ = ["NO_AUTOLOAD", "OFF", "turned_off"]

NO_AUTOLOAD = "MECHINT_DISABLE_PLUGIN_AUTOLOAD"
"""A variable of the environment; where it is set, no spec gets an installed package imported."""
OFF = "no:"
"""What stands before a plugin's name on the command line to turn it off."""


def turned_off(listed: Mapping[str, Listed], named: Collection[str]) -> dict[str, str]:
    """The plugins that may not be loaded, each with the reason; ``named`` are those of ``-p``, ``no:NAME`` too."""
    installed = [name for name, plugin in listed.items() if not plugin.builtin]
    off: dict[str, str] = {}
    if installed:
        from mechint.engine.lock import mismatches

        off |= mismatches(listed)
    if os.environ.get(NO_AUTOLOAD):
        silent = [name for name in installed if name not in named]
        off |= {name: f"{NO_AUTOLOAD} is set\n  hint: name it on the command line: -p {name}" for name in silent}
    return off | {name.removeprefix(OFF): f"-p {name} turns it off" for name in named if name.startswith(OFF)}
