"""Tracks runs with Weights & Biases, one W&B run for each item.

1. As an item starts, its run is opened below ``output_dir``: the spec's name is its group, the item's id its name.
2. Every step of the item's search is logged as it is made.
3. As the item is finished, its figures, tables, masks and, in the summary, its measures and verdicts follow.
4. Where the run's entries were compared, one more run, called ``comparison``, has the table of their differences.

W&B is a mirror. All it shows stands in ``results.json``, ``metrics.jsonl`` and the files beside them, and an item whose
search was not watched is logged from those. W&B works in a process of its own that the analysis never waits for, and at
the end of a run for no more than some seconds. Where the server does not answer, or nobody is logged in, the runs are
kept offline and one notice says how to send them later. Keys and tokens stay where W&B finds them.
"""

from __future__ import annotations

import os
import shlex
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mechint import hookimpl
from mechint.spec.options import OptionsModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mechint.journal import Progress
    from mechint.results.values import ItemReport, RunReport, SpecFacts
    from mechint.spec.values import Item, Plan
    from mechint.tracking.beside import Beside
    from mechint.tracking.wandb_writer import Closed, Compared, Tracked

NAME = "wandb"
COMPARISON_FILE = "comparison/comparison.json"
MODE_VARIABLE = "WANDB_MODE"
MODES = {"online": "online", "run": "online", "offline": "offline", "dryrun": "offline", "disabled": "disabled"}
"""What ``WANDB_MODE`` may say, and what it means."""

PATIENCE = 8.0
"""At the end of a run, for W&B's next sign of life."""
STOP_SECONDS = 2.0
"""For W&B to end when it is done."""
LIVES = 3
"""Processes that are tried before a run goes on without W&B."""


class Options(OptionsModel):
    """Tracking with Weights & Biases."""

    project: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^/\\#?%:]+$")] | None = None
    """Where the runs go; without it W&B's own setting, such as WANDB_PROJECT, decides."""
    entity: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """The user or team that the project belongs to; without it the one that is logged in."""
    mode: Literal["online", "offline", "disabled"] = "online"
    """offline keeps the runs below output_dir for ``wandb sync``; disabled tracks nothing. The environment variable
    WANDB_MODE goes before it."""


@hookimpl
def mechint_options() -> type[Options]:
    return Options


@hookimpl
def mechint_observers() -> Sequence[object]:
    return [WandbTracker()]


class WandbTracker:
    """Watches one run of a spec and tells a writer beside it, which alone knows W&B, what to log."""

    def __init__(self) -> None:
        self._writer: Beside | None = None
        self._lives = LIVES
        self._options: Options | None = None
        self._owed: dict[str, Callable[[], object]] = {}
        """What is finished and not known to be logged, each with what makes its message."""
        self._tracks = False
        self._online = False
        self._broken = ""
        self._noticed = False

    @hookimpl
    def mechint_run_started(self, plan: Plan) -> None:
        from mechint.results.facts import spec_facts

        options = plan.spec.trackers.get(NAME)
        if isinstance(options, Options):
            self._begin(options, spec_facts(plan.spec), Path(plan.spec.output_dir))

    @hookimpl
    def mechint_item_started(self, item: Item) -> None:
        from mechint.results.facts import blank_item
        from mechint.tracking.wandb_writer import Opened

        if self._writer is not None:
            self._tell(Opened(self._tracked(blank_item(item), self._output_dir / item.id)))

    @hookimpl
    def mechint_progress(self, item: Item, progress: Progress) -> None:
        from mechint.tracking.wandb_writer import Stepped

        if self._writer is not None and progress.values:
            self._tell(Stepped(item.id, dict(progress.values)))

    @hookimpl
    def mechint_item_finished(self, report: ItemReport, folder: Path) -> None:
        self._owed[report.id] = partial(self._closed, report, folder)
        if self._writer is not None:
            self._tell(self._closed(report, folder))

    @hookimpl
    def mechint_run_finished(self, report: RunReport, output_dir: Path) -> None:
        from mechint.tracking.wandb_writer import COMPARISON, Stopped

        if self._options is None and NAME in report.spec.trackers:  # a run of the past: nothing told of its start
            self._begin(Options.model_validate(report.spec.trackers[NAME]), report.spec, output_dir)
            self._tell_owed()
        if self._tracks and (output_dir / COMPARISON_FILE).is_file():
            self._owed[COMPARISON] = self._compared
            if self._writer is not None:
                self._tell(self._compared())
        if self._tracks:
            self._await_owed()
        if self._writer is not None:
            self._writer.tell(Stopped())
            self._writer.close(STOP_SECONDS)

    def _begin(self, options: Options, spec: SpecFacts, output_dir: Path) -> None:
        self._options, self._spec, self._output_dir = options, spec, output_dir
        word = os.environ.get(MODE_VARIABLE) or options.mode
        mode = MODES.get(word.lower())
        if mode is None:
            self._notice(f"{MODE_VARIABLE} is {word!r}, none of {', '.join(MODES)}; nothing is tracked", hint="")
        self._tracks, self._online = mode in ("online", "offline"), mode == "online"
        if self._tracks:
            self._start()

    def _start(self) -> None:
        from mechint.tracking.beside import Beside
        from mechint.tracking.wandb_writer import Writer

        self._lives -= 1
        self._writer = Beside(partial(Writer, online=self._online))

    def _tell(self, message: object) -> None:
        """Send a message to the writer, or to the next one where the writer is lost."""
        assert self._writer is not None, "the tracker has not begun"
        self._hear(self._writer.answers())
        self._replace_lost()
        if self._writer is not None:
            self._writer.tell(message)

    def _tell_owed(self) -> None:
        for message in self._owed.values():
            if self._writer is not None:
                self._writer.tell(message())

    def _await_owed(self) -> None:
        """Wait until every finished item is logged, as long as W&B shows that it lives."""
        until = time.monotonic() + PATIENCE
        while self._owed and self._writer is not None and time.monotonic() < until:
            answers = self._writer.answers(within=0.1)
            if answers:
                until = time.monotonic() + PATIENCE
            self._hear(answers)
            self._replace_lost()
        if self._owed:
            self._notice(f"W&B has not taken {', '.join(self._owed)}")

    def _hear(self, answers: Sequence[object]) -> None:
        from mechint.tracking.wandb_writer import Told

        for answer in answers:
            assert isinstance(answer, Told), answer
            self._owed.pop(answer.logged, None)
            if answer.offline:
                self._online = False
                self._notice(f"W&B goes on offline: {answer.offline}")
            self._broken = self._broken or answer.broken

    def _replace_lost(self) -> None:
        """In place of a writer that cannot go on another one, offline, which logs from their files what is owed."""
        if self._writer is None or (self._writer.alive and not self._broken):
            return
        self._notice(f"W&B broke and goes on offline: {self._broken or 'its process has ended'}")
        self._writer.close(patience=0.0)
        self._writer, self._online, self._broken = None, False, ""
        if self._lives > 0:
            self._start()
            self._tell_owed()

    def _closed(self, report: ItemReport, folder: Path) -> Closed:
        from mechint.tracking.wandb_writer import Closed

        return Closed(self._tracked(report, folder))

    def _compared(self) -> Compared:
        from mechint.tracking.wandb_writer import Compared

        assert self._options is not None, "the tracker has not begun"
        output_dir = self._output_dir.resolve()
        return Compared(
            project=self._options.project,
            entity=self._options.entity,
            spec=self._spec,
            output_dir=output_dir,
            file=output_dir / COMPARISON_FILE,
        )

    def _tracked(self, report: ItemReport, folder: Path) -> Tracked:
        from mechint.tracking.wandb_writer import Tracked

        assert self._options is not None, "the tracker has not begun"
        return Tracked(
            project=self._options.project,
            entity=self._options.entity,
            spec=self._spec,
            report=report,
            folder=folder.resolve(),
            output_dir=self._output_dir.resolve(),
        )

    def _notice(self, text: str, hint: str | None = None) -> None:
        """Say one thing a run, on standard error."""
        import click

        from mechint.results.describe import printable

        if self._noticed:
            return
        self._noticed = True
        remedy = f"wandb sync {shlex.quote(str(self._output_dir))}/wandb/*run-*" if hint is None else hint
        click.echo(f"{NAME}: {printable(text)}" + (f"\n  hint: {printable(remedy)}" if remedy else ""), err=True)
