"""Runs of specs: each when the first of its selected assertions is due, by the way that ``mechint-run`` goes."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mechint.engine.plugins import Listed, Plugins
    from mechint.engine.pool import Pool
    from mechint.engine.run import Finished
    from mechint.errors import MechintError
    from mechint.results.values import ItemReport, RunReport
    from mechint.spec.values import Item, Plan

__all__ = ["RUNS", "Runs"]

RUNS = pytest.StashKey["Runs"]()
"""Where pytest's configuration holds the runs, once a spec was collected."""

REPORTERS = ("markdown", "compare", "html")


class Runs:
    """The specs of one pytest process.

    Each worker of pytest-xdist has tests of the same items. One of them runs the spec, for all tests that were
    selected; the others wait, and read its report.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._listed: dict[str, Listed] | None = None
        self._plugins: dict[str, Plugins] = {}
        self._plans: dict[str, Plan] = {}
        self._reports: dict[str, ItemReport] = {}
        self._refused: dict[str, MechintError] = {}
        self._told: set[str] = set()
        self._pool: Pool | None = None
        self._shared = _shared_folder(config)

    def plan(self, path: Path) -> Plan:
        """Everything that a spec could run; raises MechintError as ``mechint-run`` would."""
        from mechint.cli.ask import load_plugins
        from mechint.engine.collect import collect_plan
        from mechint.engine.plugins import list_plugins

        here = self._config.invocation_params.dir
        name = str(path.relative_to(here) if path.is_relative_to(here) else path)
        self._listed = list_plugins() if self._listed is None else self._listed
        self._plugins[name] = load_plugins(REPORTERS, self._listed)
        models, overrides = self._config.getoption("--mechint-models"), self._config.getoption("--mechint-set")
        self._plans[name] = collect_plan(name, self._plugins[name], models=models, overrides=overrides)
        return self._plans[name]

    def choose(self, items: Sequence[Item]) -> None:
        """Leave items out of the plans that are none of these."""
        for name, plan in self._plans.items():
            chosen = tuple(item for item in items if item.spec == name)
            self._plans[name] = replace(plan, items=chosen, selected=tuple(item.id for item in chosen))

    def report(self, item: Item) -> ItemReport | MechintError:
        """What became of an item, or why its spec cannot be run."""
        # A run that stopped at pytest's --maxfail may have stopped before this item, by an assertion not selected.
        for most_failures in (self._config.getoption("maxfail") or None, None):
            if item.spec not in self._refused and item.nodeid not in self._reports:
                self._take(item, most_failures)
        return self._refused[item.spec] if item.spec in self._refused else self._reports[item.nodeid]

    def in_full_once(self, text: str) -> str:
        """The text, and the next time its first line alone."""
        if text not in self._told:
            self._told.add(text)
            return text
        first, rest, _ = text.partition("\n")
        return f"{first} (in full above)" if rest else first

    def close(self) -> None:
        """End the processes that measured."""
        if self._pool is not None:
            self._pool.close()

    def _take(self, item: Item, most_failures: int | None) -> None:
        from mechint.errors import MechintError

        try:
            report = self._once(item, most_failures)
        except MechintError as error:
            self._refused[item.spec] = error
            return
        self._reports |= {one.nodeid: one for one in report.items}

    def _once(self, item: Item, most_failures: int | None) -> RunReport:
        """The report of a run with the item in it, by this process or by another of the same session."""
        if self._shared is None:
            return self._run(self._plans[item.spec], most_failures)
        from filelock import FileLock

        from mechint.results.store import read_report, write_report

        folder = self._shared / f"mechint-{hashlib.sha256(item.spec.encode()).hexdigest()[:16]}"
        folder.mkdir(exist_ok=True)
        with FileLock(folder / ".lock"):
            if (folder / "results.json").is_file():
                report = read_report(folder / "results.json")
                if any(one.nodeid == item.nodeid for one in report.items):
                    return report
            report = self._run(self._plans[item.spec], most_failures)
            write_report(report, folder)
            return report

    def _run(self, plan: Plan, most_failures: int | None) -> RunReport:
        from mechint.engine.alone import waiting
        from mechint.engine.cache import Cache
        from mechint.engine.pool import Pool, threads_each
        from mechint.engine.run import Way, run_plan
        from mechint.engine.select import refuse_shared_folders
        from mechint.files import cache_folder
        from mechint.results.reporting import Reporting

        refuse_shared_folders([plan for plan in self._plans.values() if plan.items])
        self._pool = Pool(1) if self._pool is None else self._pool
        way = Way(
            execute=self._pool.execute,
            cache=Cache(root=cache_folder()),
            threads=threads_each(_workers(self._config)),
            most_failures=most_failures,
            wait=lambda folder: self._say(waiting(folder)),
        )
        finished = run_plan(plan, self._plugins[plan.spec.path], Reporting(stdout=False), way)
        if finished.trouble:
            self._say(finished.trouble)
        if finished.report.interrupted:
            raise KeyboardInterrupt
        _refuse_broken(finished, self._plugins[plan.spec.path])
        return finished.report

    def _say(self, line: str) -> None:
        """Print a line between pytest's own; a worker of xdist has nowhere to print to."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.ensure_newline()
            terminal.write_line(line)


def _refuse_broken(finished: Finished, plugins: Plugins) -> None:
    """Raise PluginError where an observer broke that is no mere mirror of the run."""
    from mechint.engine.exit import ExitCode
    from mechint.engine.watchers import code_of_broken
    from mechint.errors import PluginError, refusal

    if code_of_broken(dict(finished.broken), plugins) is not ExitCode.PASSED:
        told = [str(refusal(error) or "".join(traceback.format_exception(error))) for _, error in finished.broken]
        names = ", ".join(name for name, _ in finished.broken)
        raise PluginError("\n".join([f"observer {names} broke; the other reports are complete", *told]))


def _shared_folder(config: pytest.Config) -> Path | None:
    """A folder that the workers of one session of xdist have in common; None without workers on this machine."""
    base = config.getoption("basetemp", None) if hasattr(config, "workerinput") else None
    return None if base is None else Path(base).parent


def _workers(config: pytest.Config) -> int:
    return int(getattr(config, "workerinput", {}).get("workercount", 1))
