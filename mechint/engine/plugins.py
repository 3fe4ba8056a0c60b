"""Finding, loading and calling plugins.

A plugin's name in a spec is its file's name for what ships here, and its entry point's name for installed packages.
Listing imports nothing; only what a spec or the command line names is loaded.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pickle
import pkgutil
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pluggy

import mechint.plugins
from mechint import __version__
from mechint.codes import Code
from mechint.engine import hookspecs
from mechint.errors import PluginError, UsageError, first_line

__all__ = ["Listed", "Plugins", "list_plugins", "wrong_return"]

GROUP = "mechint"
SECONDS_UNTOLD = 5.0
"""For which a plugin may be imported before its name is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A plugin that could be loaded, and the distribution it comes with."""

    name: str
    distribution: str
    version: str
    module: str
    summary: str
    """Of the distribution; empty for what ships here, whose modules say it themselves."""
    requires: Sequence[str] = ()
    """What the distribution says that it needs: ``mechint>=0.2``."""

    @property
    def origin(self) -> str:
        return f"{self.distribution} {self.version}"

    @property
    def builtin(self) -> bool:
        return self.module.startswith(f"{mechint.plugins.__name__}.")


def list_plugins() -> dict[str, Listed]:
    """Every plugin by name, without importing any; two of one name are an error that names both distributions."""
    found: dict[str, Listed] = {}
    for plugin in (*_shipped(), *_installed()):
        other = found.get(plugin.name)
        if other is not None:
            raise PluginError(
                f"two plugins are named {plugin.name!r}: one from {other.origin} ({other.module}), "
                f"one from {plugin.origin} ({plugin.module})\n  hint: uninstall one of the two",
                code=Code.PLUGIN_TWINS,
            )
        found[plugin.name] = plugin
    return found


class _Manager(pluggy.PluginManager):
    """Looks only at what a module marks as a hook; pluggy asks of every name in it, which many specs would wait for."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        return super().parse_hookimpl_opts(plugin, name) if _may_be_marked(plugin, name, "impl") else None

    def parse_hookspec_opts(self, module_or_class: ModuleType | type, name: str) -> pluggy.HookspecOpts | None:
        return (
            super().parse_hookspec_opts(module_or_class, name)
            if _may_be_marked(module_or_class, name, "spec")
            else None
        )


class Plugins:
    """The plugins of one run: what is listed, what is loaded, and how hooks are called."""

    def __init__(self, listed: Mapping[str, Listed], off: Mapping[str, str] | None = None) -> None:
        self.listed = listed
        self.off = off or {}
        """Those that may not be loaded, each with the reason."""
        self._manager = _Manager(GROUP)
        self._manager.add_hookspecs(hookspecs)

    def load(self, name: str) -> ModuleType:
        """Import and register the plugin of this name, once.

        Raises PluginError if it cannot be used, UsageError where it is turned off.
        """
        if name in self.off:
            raise UsageError(f"plugin {name!r} of {self.listed[name].origin} is not loaded: {self.off[name]}")
        loaded = self._manager.get_plugin(name)
        if loaded is not None:
            assert isinstance(loaded, ModuleType)
            return loaded
        plugin = self.listed[name]
        if plugin.requires and (needed := _unmet(plugin.requires)):
            raise PluginError(
                f"plugin {name!r} of {plugin.origin} needs {needed}, and this is mechint {__version__}\n"
                "  hint: install versions of both that go together"
            )
        try:
            with redirect_stdout(sys.stderr), _announcing(plugin):  # a program may be reading standard output
                module = importlib.import_module(plugin.module)
        except KeyboardInterrupt:
            raise
        # A module may raise anything, such as an exit or a class of its own below BaseException.
        except BaseException as error:
            why = f"{type(error).__name__}: {first_line(Exception(error))}"
            message = f"plugin {name!r} of {plugin.origin} cannot be imported: {why}"
            raise PluginError(message, code=Code.PLUGIN_IMPORT) from error
        try:
            self._manager.register(module, name=name)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            self._manager.set_blocked(name)
            raise PluginError(f"plugin {name!r} of {plugin.origin} breaks the hook contract: {error}") from error
        return module

    def add(self, observer: object) -> None:
        """Register an object whose hooks watch the run, under its class's name."""
        name = f"{type(observer).__module__}.{type(observer).__qualname__}"
        self._manager.register(observer, name=None if self._manager.has_plugin(name) else name)

    def loaded(self, name: str) -> bool:
        """Whether the plugin of this name has been loaded."""
        return self._manager.has_plugin(name)

    def names(self) -> tuple[str, ...]:
        """The plugins that have been loaded, in the order of the list."""
        return tuple(name for name in self.listed if self.loaded(name))

    def implements(self, name: str, hook: str) -> bool:
        """Whether the loaded plugin of this name answers a hook."""
        return self._implementation(name, hook) is not None

    def accepts(self, name: str, hook: str, argument: str) -> bool:
        """Whether the loaded plugin's implementation of a hook takes an argument."""
        implementation = self._implementation(name, hook)
        return implementation is not None and argument in implementation.argnames

    def ask(self, name: str, hook: str, **arguments: Any) -> Any:
        """Call a hook on the one plugin of this name; wrappers of other plugins still apply."""
        try:
            return self._only(self._manager.get_plugin(name), hook)(**arguments)
        except SystemExit as error:  # no plugin ends the program, which would then say what it likes
            raise RuntimeError(f"plugin {name!r} called sys.exit({error.code!r}) in {hook}") from error

    def answering(self, hook: str) -> list[str]:
        """The loaded plugins that answer a hook, first loaded first."""
        found = getattr(self._manager.hook, hook).get_hookimpls()
        return [one.plugin_name for one in found if not (one.wrapper or one.hookwrapper)]

    def values_of(self, name: str, hook: str, kind: type, **arguments: Any) -> list[Any]:
        """The values that the plugin of this name gives by a hook; PluginError where they are not of that kind."""
        found: list[Any] = []
        for given in self.ask(name, hook, **arguments):  # once; not at all where it gives None
            if not (isinstance(given, Sequence) and all(isinstance(value, kind) for value in given)):
                raise wrong_return(name, hook, given, f"a sequence of {kind.__name__}")
            found += given
        return found

    def collect(self, hook: str, kind: type, **arguments: Any) -> list[Any]:
        """The values that all loaded plugins give by a hook."""
        return [value for name in self.answering(hook) for value in self.values_of(name, hook, kind, **arguments)]

    def notify(self, hook: str, **arguments: Any) -> list[tuple[str, Exception]]:
        """Call an observer hook on each plugin apart, so that one that raises silences no other.

        Each is given values of its own, so that one that changes them changes them for no other.
        """
        raised = []
        names = self.answering(hook)
        given = pickle.dumps(arguments, pickle.HIGHEST_PROTOCOL) if names else b""  # far faster than copy.deepcopy
        for name in reversed(names):  # as pluggy calls them
            try:
                self.ask(name, hook, **pickle.loads(given))
            except Exception as error:
                raised.append((name, error))
        return raised

    def _implementation(self, name: str, hook: str) -> pluggy.HookImpl | None:
        plugin = self._manager.get_plugin(name)
        return next((i for i in getattr(self._manager.hook, hook).get_hookimpls() if i.plugin is plugin), None)

    def _only(self, plugin: object, hook: str) -> pluggy.HookCaller:
        implementations = getattr(self._manager.hook, hook).get_hookimpls()
        others = [i.plugin for i in implementations if i.plugin is not plugin and not (i.wrapper or i.hookwrapper)]
        return self._manager.subset_hook_caller(hook, remove_plugins=others)


def wrong_return(name: str, hook: str, value: object, wanted: str) -> PluginError:
    """What to raise where a plugin returned something else than a hook is for."""
    shown = " ".join(repr(value).split())
    return PluginError(f"plugin {name!r} returned {shown:.80} from {hook}; expected {wanted}")


def _unmet(requires: Sequence[str]) -> str:
    """What is needed of mechint that this version is not, or that nobody can read; empty where there is nothing."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    for text in requires:
        if canonicalize_name(re.split(r"[^\w.-]", text.strip(), maxsplit=1)[0]) != GROUP:
            continue
        try:
            one = Requirement(text)
            applies = one.marker is None or one.marker.evaluate({"extra": ""})
        except ValueError:  # of either
            return text
        if applies and not one.specifier.contains(__version__, prereleases=True):
            return str(one)
    return ""


@contextmanager
def _announcing(plugin: Listed) -> Iterator[None]:
    """Say once which plugin it is that the program waits for, where its import takes long."""
    if plugin.module in sys.modules:
        yield
        return
    line = f"plugin {plugin.name!r} of {plugin.origin} is still being imported\n"
    timer = threading.Timer(SECONDS_UNTOLD, sys.stderr.write, [line])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _may_be_marked(owner: object, name: str, mark: str) -> bool:
    return not isinstance(owner, ModuleType) or hasattr(vars(owner).get(name), f"{GROUP}_{mark}")


def _shipped() -> list[Listed]:
    package = mechint.plugins
    return [
        Listed(name=name, distribution="mechint", version=__version__, module=f"{package.__name__}.{name}", summary="")
        for _, name, is_package in pkgutil.iter_modules(package.__path__)
        if not is_package
    ]


def _installed() -> list[Listed]:
    listed = []
    for entry_point in importlib.metadata.entry_points(group=GROUP):
        distribution = entry_point.dist
        assert distribution is not None, f"entry point {entry_point.name!r} belongs to no distribution"
        listed.append(
            Listed(
                name=entry_point.name,
                distribution=distribution.name,
                version=distribution.version,
                module=entry_point.module,
                summary=distribution.metadata["Summary"] or "",
                requires=tuple(distribution.requires or ()),
            )
        )
    return listed
