"""The observers of one run."""

from __future__ import annotations

from collections.abc import Mapping

from mechint.engine.collect import is_tracker
from mechint.engine.exit import ExitCode, worst
from mechint.engine.plugins import Plugins
from mechint.errors import refusal
from mechint.results.reporting import Reporting

__all__ = ["Watchers", "code_of_broken"]


class Watchers:
    """Tells observers what happens and remembers the first error of each that raises."""

    def __init__(self, plugins: Plugins, reporting: Reporting) -> None:
        self.broken: dict[str, Exception] = {}
        self._plugins = plugins
        for name in plugins.answering("mechint_observers"):
            try:
                for observer in plugins.values_of(name, "mechint_observers", object, reporting=reporting):
                    plugins.add(observer)
            except Exception as error:
                self.broken[name] = error

    def notify(self, hook: str, **arguments: object) -> None:
        """Call an observer hook on every plugin that answers it."""
        for name, error in self._plugins.notify(hook, **arguments):
            self.broken.setdefault(name, error)


def code_of_broken(broken: Mapping[str, Exception], plugins: Plugins) -> ExitCode:
    """The code for observers that raised, by name: a reporter owes a file; a tracker is a mirror, and may break.

    What the system does not let a reporter write leaves the run incomplete, and is no bug.
    """
    trackers = [plugins.listed[name] for name in plugins.names() if is_tracker(plugins, name)]
    owing = [
        error
        for observer, error in broken.items()
        if not any(observer == one.name or observer.startswith(f"{one.module}.") for one in trackers)
    ]
    return worst([ExitCode.INTERNAL if refusal(error) is None else ExitCode.INCOMPLETE for error in owing])
