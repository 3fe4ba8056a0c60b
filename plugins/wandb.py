"""Tracks runs with Weights & Biases, one W&B run for each item: ``wandb: {project: kv-circuits, mode: offline}``.

1. As an item starts, its run is opened below ``output_dir``: the spec's name is its group, the item's id its name.
2. Every step of the item's search is logged as it is made.
3. As the item is finished, its figures, tables, masks and, in the summary, its measures and verdicts follow.

W&B is a mirror. All it shows stands in ``results.json``, ``metrics.jsonl`` and the files beside them, and an item whose
search was not watched is logged from those. W&B works in a process of its own that the analysis never waits for, and at
the end of a run for no more than some seconds. Where the server does not answer, or nobody is logged in, the runs are
kept offline and one notice says how to send them later. Keys and tokens stay where W&B finds them.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mechint import hookimpl
from mechint.spec.options import OptionsModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    import wandb

    from mechint.beside import Beside
    from mechint.journal import Progress
    from mechint.results.values import ItemReport, RunReport, SpecFacts
    from mechint.spec.values import Item, Plan

NAME = "wandb"
MODE_VARIABLE = "WANDB_MODE"
MODES = {"online": "online", "run": "online", "offline": "offline", "dryrun": "offline", "disabled": "disabled"}
"""What ``WANDB_MODE`` may say, and what it means."""

INIT_SECONDS = 4.0
"""For the server's answer as a run is opened."""
FINISH_SECONDS = 4.0
"""For what is left to upload as a run is finished."""
PATIENCE = 10.0
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
        self._owed: dict[str, tuple[ItemReport, Path]] = {}
        """Items that are finished and not known to be logged."""
        self._online = True
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

        if self._writer is not None:
            self._tell(Opened(self._tracked(blank_item(item), self._output_dir / item.id)))

    @hookimpl
    def mechint_progress(self, item: Item, progress: Progress) -> None:
        if self._writer is not None and progress.values:
            self._tell(Stepped(item.id, dict(progress.values)))

    @hookimpl
    def mechint_item_finished(self, report: ItemReport, folder: Path) -> None:
        self._owed[report.id] = report, folder
        if self._writer is not None:
            self._tell(Closed(self._tracked(report, folder)))

    @hookimpl
    def mechint_run_finished(self, report: RunReport, output_dir: Path) -> None:
        if self._options is None and NAME in report.spec.trackers:  # a run of the past: nothing told of its start
            self._begin(Options.model_validate(report.spec.trackers[NAME]), report.spec, output_dir)
            self._tell_owed()
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
        self._online = mode == "online"
        if mode in ("online", "offline"):
            self._start()

    def _start(self) -> None:
        from mechint.beside import Beside

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
        for report, folder in list(self._owed.values()):
            if self._writer is not None:
                self._writer.tell(Closed(self._tracked(report, folder)))

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

    def _tracked(self, report: ItemReport, folder: Path) -> Tracked:
        assert self._options is not None, "the tracker has not begun"
        return Tracked(
            options=self._options,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """An item, as much of it as is known, and how it is to be tracked."""

    options: Options
    spec: SpecFacts
    report: ItemReport
    folder: Path
    output_dir: Path
    """W&B's files go to a folder ``wandb`` below it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An item has started."""

    item: Tracked


@dataclass(frozen=True, slots=True)
class Stepped:
    """A search has made a step."""

    id: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Closed:
    """An item is finished, and its files are written."""

    item: Tracked


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nothing more follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the writer answers; each answer is a sign of life too."""

    logged: str = ""
    """The id of an item that is logged."""
    offline: str = ""
    """Why the writer went offline."""
    broken: str = ""
    """Why the writer cannot go on."""


@dataclass(slots=True, kw_only=True)
class Open:
    """A run of W&B that is not finished."""

    run: wandb.Run
    online: bool
    steps: int = 0


class Writer:
    """Logs items with W&B, several at a time; lives in a process of its own."""

    def __init__(self, *, online: bool) -> None:
        self._online = online
        self._open: dict[str, Open] = {}
        self._went_offline = ""
        self._broken = False

    def __call__(self, message: object) -> Told | None:
        """Carry out one message; W&B may raise anything, which is answered in words."""
        if self._broken:
            return None
        try:
            logged = self._carry_out(message)
        except Exception as error:
            self._broken = True
            return Told(broken=reason(error))
        offline, self._went_offline = self._went_offline, ""
        return None if isinstance(message, Stepped) else Told(logged=logged, offline=offline)

    def _carry_out(self, message: object) -> str:
        """Do what the message says; the id of the item that is logged with it, if one is."""
        match message:
            case Opened(item):
                self._open[item.report.id] = self._begin(item)
            case Stepped(id_, values) if id_ in self._open:
                self._step(self._open[id_], values)
            case Closed(item):
                self._finish(item)
                return item.report.id
            case Stopped():
                self._stop()
        return ""

    def _begin(self, item: Tracked) -> Open:
        """A run for the item: online while the server answers, else offline."""
        import wandb

        wandb.setup(wandb.Settings(silent=True))
        if self._online:
            run_id = secrets.token_hex(4)
            try:
                if wandb.login(prompt=False, verify=False):
                    return Open(run=_init(item, "online", run_id), online=True)
                self._go_offline("not logged in")
            except Exception as error:
                self._go_offline(reason(error))
            for leftover in (item.output_dir / "wandb").glob(f"run-*-{run_id}"):
                shutil.rmtree(leftover, ignore_errors=True)
        return Open(run=_init(item, "offline", secrets.token_hex(4)), online=False)

    def _go_offline(self, why: str) -> None:
        self._online, self._went_offline = False, why

    def _step(self, opened: Open, values: Mapping[str, float]) -> None:
        from mechint.results.tracked import curve_point

        opened.run.log(curve_point(values), step=opened.steps)
        opened.steps += 1

    def _finish(self, item: Tracked) -> None:
        """Log what the item came to; an item of which no step was seen is logged whole, from its files."""
        from mechint.results.tracked import config, curve_points, summary

        opened = self._open.pop(item.report.id, None)
        if opened is None or (opened.online and not self._online):
            opened = self._begin(item)
        for step, point in list(enumerate(curve_points(item.folder)))[opened.steps :]:
            opened.run.log(point, step=step)
        opened.run.config.update(config(item.spec, item.report), allow_val_change=True)
        _log_files(opened.run, item)
        opened.run.summary.update(summary(item.report))
        try:
            opened.run.finish(exit_code=0 if item.report.error is None else 1)
        except TimeoutError:  # all of it is on disk
            self._go_offline(f"{item.report.id} was not uploaded within {FINISH_SECONDS:.0f} s")

    def _stop(self) -> None:
        """Finish what was interrupted, and W&B itself."""
        import wandb

        for opened in self._open.values():
            opened.run.finish(exit_code=1)
        self._open.clear()
        wandb.teardown()


def reason(error: Exception) -> str:
    """The first line of an error without what may be secret: keys, tokens and the user's part of an address."""
    line = (str(error).splitlines() or [""])[0]
    line = re.sub(r"//[^/@\s]*@", "//", line)
    line = re.sub(r"[A-Za-z0-9_-]{32,}", "…", line)
    return f"{type(error).__name__}: {line}".removesuffix(": ")


def _init(item: Tracked, mode: Literal["online", "offline"], run_id: str) -> wandb.Run:
    import wandb

    from mechint.results.tracked import config

    return wandb.init(
        id=run_id,
        project=item.options.project,
        entity=item.options.entity,
        group=item.spec.name,
        name=item.report.id,
        job_type=item.report.method["name"],
        tags=item.spec.tags,
        notes=item.spec.description or None,
        config=config(item.spec, item.report),
        dir=str(item.output_dir),
        mode=mode,
        reinit="create_new",
        settings=wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            init_timeout=INIT_SECONDS,
            finish_timeout=FINISH_SECONDS,
            finish_timeout_raises=True,
        ),
    )


def _log_files(run: wandb.Run, item: Tracked) -> None:
    """Figures, tables and masks."""
    import wandb

    from mechint.results.tracked import LAYER_COLUMNS, MASKS, VERDICT_COLUMNS
    from mechint.results.tracked import figures, layer_rows, masks_name, verdict_rows

    shown: dict[str, object] = {key: wandb.Image(str(path)) for key, path in figures(item.report, item.folder).items()}
    tables = {
        "mechint/layer_summary": (LAYER_COLUMNS, layer_rows(item.report)),
        "mechint/verdicts": (VERDICT_COLUMNS, verdict_rows(item.report)),
    }
    for key, (columns, rows) in tables.items():
        if rows:
            shown[key] = wandb.Table(columns=list(columns), data=rows)
    run.log(shown)
    if MASKS in item.report.artifacts:
        artifact = wandb.Artifact(masks_name(item.report), type="masks", metadata={"item": item.report.id})
        artifact.add_file(str(item.folder / MASKS))
        run.log_artifact(artifact)
