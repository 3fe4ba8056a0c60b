"""The observers of one run."""

from __future__ import annotations

from mechint.engine.plugins import Plugins
from mechint.results.reporting import Reporting

__all__ = ["Watchers"]


class Watchers:
    """Tells observers what happens and remembers the first error of each that raises."""

    def __init__(self, plugins: Plugins, reporting: Reporting) -> None:
        self.broken: dict[str, Exception] = {}
        self._plugins = plugins
        for observers in plugins.collect("mechint_observers", reporting=reporting):
            for observer in observers:
                plugins.add(observer)

    def notify(self, hook: str, **arguments: object) -> None:
        """Call an observer hook on every plugin that answers it."""
        for name, error in self._plugins.notify(hook, **arguments):
            self.broken.setdefault(name, error)
