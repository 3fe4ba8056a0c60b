"""The options of ``mechint-run``, and what they come to."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from mechint.engine.select import Selection, parse_shard
from mechint.errors import UsageError
from mechint.results.reporting import Reporting

__all__ = ["JUNIT", "SARIF", "RunOptions", "reporters", "run_options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """One call of ``mechint-run``, a field for each argument and option."""

    specs: tuple[str, ...]
    models: str | None
    from_runs: str | None
    overrides: tuple[str, ...]
    named: tuple[str, ...]
    validate: bool
    collect_only: bool
    keyword: str
    tags: str
    deselected: tuple[str, ...]
    last_failed: bool
    failed_first: bool
    shard: str | None
    first_failure: bool
    most_failures: int | None
    smoke: bool
    dry_run: bool
    quieter: int
    louder: int
    durations: int | None
    junit: str | None
    sarif: str | None
    as_json: bool
    workers: int
    in_process: bool
    force: bool
    cache_dir: Path | None

    @property
    def reporting(self) -> Reporting:
        """What reporters are asked for."""
        return Reporting(
            verbosity=self.louder - self.quieter,
            durations=self.durations,
            stdout=not self.as_json,
            junit=self.junit,
            sarif=self.sarif,
        )

    @property
    def reporters(self) -> tuple[str, ...]:
        """The plugins that report on the run."""
        return ("terminal", *reporters(self.reporting), *(["json_lines"] if self.as_json else []))

    @property
    def failures_allowed(self) -> int | None:
        """After how many failures the run stops; None for never."""
        return 1 if self.first_failure else self.most_failures

    def selection(self, ids: dict[str, list[str]], failed: frozenset[str]) -> Selection:
        """Which items run, given the ids behind ``::`` and those that failed last time."""
        return Selection(
            named=ids,
            keyword=self.keyword,
            tags=self.tags,
            deselected=self.deselected,
            failed=failed if self.last_failed else None,
            shard=None if self.shard is None else parse_shard(self.shard),
        )


def _refuse_place(_: click.Context, option: click.Parameter, path: str | None) -> str | None:
    """The path, if a file can be written there; UsageError before hours are spent on what the file would hold."""
    if path is not None:
        from mechint.files import refuse_place

        try:
            refuse_place(Path(path))
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            hint = "name a file, which may be new, and so may its folders"
            raise UsageError(f"{option.opts[0]} {path!r}: {why}\n  hint: {hint}") from None
    return path


JUNIT = click.option(
    "--junitxml",
    "--junit-xml",
    "junit",
    metavar="PATH",
    callback=_refuse_place,
    help="Write JUnit XML, for CI systems.",
)
SARIF = click.option("--sarif", metavar="PATH", callback=_refuse_place, help="Write SARIF, for code scanning.")
_OPTIONS = (
    click.argument("specs", nargs=-1, metavar="SPEC[::ITEM]..."),
    click.option(
        "--models",
        metavar="PATH",
        help="Analyse this file, glob, folder, package:… or hf:… instead of the spec's; or draw a finished analysis.",
    ),
    click.option(
        "--from-runs", metavar="DIR", help="Draw the figures and reports of this finished run again, without its model."
    ),
    click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key: method.steps=50."),
    click.option(
        "-p",
        "--plugin",
        "named",
        multiple=True,
        metavar="NAME",
        help="Load an installed plugin: a reporter, metrics. no:NAME turns one off.",
    ),
    click.option("--validate", is_flag=True, help="Check the specs and stop."),
    click.option("--collect-only", "--co", is_flag=True, help="List the items that would run and stop."),
    click.option("-k", "keyword", default="", metavar="EXPR", help="Run items whose ids match: 'stepV0 and not 0.95'."),
    click.option("-m", "tags", default="", metavar="EXPR", help="Run specs whose tags match: 'kv and not slow'."),
    click.option(
        "--deselect", "deselected", multiple=True, metavar="ID", help="Leave out items whose ids begin like this."
    ),
    click.option("--lf", "--last-failed", "last_failed", is_flag=True, help="Run what failed last time; else all."),
    click.option("--ff", "--failed-first", "failed_first", is_flag=True, help="Run all, what failed last time first."),
    click.option("--shard", metavar="I/N", help="Run one part of N; 'mechint merge' puts the results together."),
    click.option(
        "-n", "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Items measured side by side."
    ),
    click.option("--in-process", is_flag=True, help="Measure in this process, without limits, for a debugger."),
    click.option("--force", is_flag=True, help="Measure again what earlier runs have measured."),
    click.option(
        "--cache-dir", type=click.Path(path_type=Path), help="Keep measured items here, not in the user's cache."
    ),
    click.option("-x", "--exitfirst", "first_failure", is_flag=True, help="Stop after the first failure."),
    click.option("--maxfail", "most_failures", type=click.IntRange(min=1), help="Stop after so many failures."),
    click.option(
        "--smoke", is_flag=True, help="Run with tiny budgets, to test a spec; results go to OUTPUT_DIR-smoke."
    ),
    click.option("--dry-run", is_flag=True, help="Try a step of every item; say how long and how large all will be."),
    click.option("-q", "--quiet", "quieter", count=True, help="Say less."),
    click.option("-v", "--verbose", "louder", count=True, help="Say more: every verdict; with -vv every measure."),
    click.option("--durations", type=click.IntRange(min=0), metavar="N", help="List the N slowest items; 0 for all."),
    JUNIT,
    SARIF,
    click.option("--json", "as_json", is_flag=True, help="Print results.json, one line a spec; people read stderr."),
)


def reporters(reporting: Reporting) -> tuple[str, ...]:
    """The plugins that write what is asked for, by an option or by the environment."""
    asked = {
        "markdown": True,
        "compare": True,
        "html": True,
        "github": os.environ.get("GITHUB_ACTIONS") == "true",
        "junit": reporting.junit is not None,
        "sarif": reporting.sarif is not None,
    }
    return tuple(name for name, wanted in asked.items() if wanted)


def run_options(command: Callable[[RunOptions], None]) -> Callable[..., None]:
    """Give a command all options of a run, put together into one value."""

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        command(RunOptions(**given))

    decorated: Callable[..., None] = with_options
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
