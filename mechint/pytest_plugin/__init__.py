"""``pytest specs/``: every assertion of a spec as a test.

pytest imports this module whenever it starts, so it imports nothing of mechint until there is a spec to collect.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mechint.pytest_plugin.nodes import SpecFile

__all__ = ["pytest_addoption", "pytest_collect_file", "pytest_collection_finish", "pytest_unconfigure"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that specs need; what selects and stops is pytest's own."""
    group = parser.getgroup("mechint", "mechint specs")
    group.addoption(
        "--mechint-set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="Override a key of every spec: method.steps=50.",
    )
    group.addoption("--mechint-models", metavar="PATH", help="Analyse these checkpoints instead of the specs'.")
    group.addoption("--no-mechint", action="store_true", help="Collect no specs.")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SpecFile | None:
    """The file as a collector of assertions, if it is a spec."""
    if file_path.suffix not in (".yaml", ".yml") or parent.config.getoption("--no-mechint"):
        return None
    from mechint.pytest_plugin.names import is_spec

    if not is_spec(file_path):
        return None
    from mechint.pytest_plugin.nodes import SpecFile

    return SpecFile.from_parent(parent, path=file_path)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note which analyses the selected assertions need."""
    from mechint.pytest_plugin.runs import RUNS

    if RUNS in session.config.stash:
        from mechint.pytest_plugin.nodes import needed_items

        session.config.stash[RUNS].choose(needed_items(session.items))


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the processes that measured."""
    from mechint.pytest_plugin.runs import RUNS

    if RUNS in config.stash:
        config.stash[RUNS].close()
