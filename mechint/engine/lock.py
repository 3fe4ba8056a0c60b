"""``plugins.lock``: which installed packages give plugins, to the byte, for builds that must not take others.

Installed plugins are trusted code, so what is trusted is written down: for each plugin its distribution, the version,
and the hash of the distribution's list of files and their hashes, as its installer left it. Where the file lies in the
working directory, a plugin that is not in it as it is installed is not loaded.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mechint.engine.plugins import Listed
from mechint.errors import UsageError
from mechint.files import write_text
from mechint.results.store import read_json

__all__ = ["LOCK", "mismatches", "write_lock"]

LOCK = Path("plugins.lock")


def write_lock(listed: Mapping[str, Listed], path: Path = LOCK) -> list[str]:
    """Write down every installed plugin as it is; their names."""
    facts = {name: _facts(plugin) for name, plugin in listed.items() if not plugin.builtin}
    write_text(path, json.dumps({"lock_version": 1, "plugins": facts}, indent=2) + "\n")
    return list(facts)


def mismatches(listed: Mapping[str, Listed], path: Path = LOCK) -> dict[str, str]:
    """The installed plugins that are not as they were written down, each with what differs; none without the file.

    Raises UsageError for a file that is no such list.
    """
    if not path.exists():
        return {}
    locked = read_json(path)
    if not isinstance(locked, dict) or locked.get("lock_version") != 1 or not isinstance(locked.get("plugins"), dict):
        raise UsageError(f"{path}: is no list of plugins as `mechint lock` writes it")
    found = {}
    for name, plugin in listed.items():
        if not plugin.builtin and (facts := _facts(plugin)) != (known := locked["plugins"].get(name)):
            found[name] = f"{_difference(path, facts, known)}\n  hint: look at what has changed, then `mechint lock`"
    return found


def _facts(plugin: Listed) -> dict[str, str]:
    record = importlib.metadata.distribution(plugin.distribution).read_text("RECORD") or ""
    return {
        "distribution": plugin.distribution,
        "version": plugin.version,
        "record_sha256": hashlib.sha256(record.encode()).hexdigest(),
    }


def _difference(path: Path, facts: Mapping[str, str], known: Any) -> str:
    if not isinstance(known, dict):
        return f"{path} does not have it"
    for fact, value in facts.items():
        if known.get(fact) != value:
            return f"its {fact} is {value}, and {path} has {known.get(fact)}"
    return f"{path} has more of it than is known"
