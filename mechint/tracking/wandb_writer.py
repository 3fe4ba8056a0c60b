"""W&B's side of tracking, for a process of its own: messages from the observer become calls of ``wandb``.

Several runs are open at a time, each its own object; the library's global run is never set. Where the server does not
answer, all that follows is kept offline.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mechint.comparison.store import read_comparison
from mechint.results.values import ItemReport, SpecFacts
from mechint.tracking.keys import (
    DIFFERENCE_COLUMNS,
    LAYER_COLUMNS,
    MASKS,
    VERDICT_COLUMNS,
    base_summary,
    config,
    curve_point,
    curve_points,
    difference_rows,
    figures,
    layer_rows,
    masks_name,
    summary,
    verdict_rows,
)

if TYPE_CHECKING:
    import wandb

__all__ = ["COMPARISON", "Closed", "Compared", "Opened", "Stepped", "Stopped", "Told", "Tracked", "Writer", "reason"]

INIT_SECONDS = 4.0
"""For the server's answer as a run is opened."""
FINISH_SECONDS = 5.0
"""For what is left to upload as a run is finished."""
COMPARISON = "comparison"
"""Name and job type of the run that compares the others; no item is called so."""
LONGEST_TAG, LONGEST_GROUP = 64, 128
"""W&B refuses longer ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """An item, as much of it as is known, and how it is to be tracked."""

    project: str | None
    entity: str | None
    spec: SpecFacts
    report: ItemReport
    folder: Path
    output_dir: Path
    """W&B's files go to a folder ``wandb`` below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The entries of the run have been compared, and ``comparison.json`` is written."""

    project: str | None
    entity: str | None
    spec: SpecFacts
    output_dir: Path
    file: Path


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
    """The id of an item that is logged, or ``comparison``."""
    offline: str = ""
    """Why the writer went offline."""
    broken: str = ""
    """Why the writer cannot go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opening:
    """What a run of W&B is opened with."""

    about: Tracked | Compared
    name: str
    job_type: str
    config: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class LiveRun:
    """A run of W&B that is not finished."""

    run: wandb.Run
    online: bool
    steps: int = 0


class Writer:
    """Logs items with W&B, several at a time; lives in a process of its own."""

    def __init__(self, *, online: bool) -> None:
        self._online = online
        self._open: dict[str, LiveRun] = {}
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
        """Do what the message says; what is logged with it, if anything is, by an item's id or as ``comparison``."""
        match message:
            case Opened(item):
                self._open[item.report.id] = self._begin(_opening(item))
            case Stepped(id_, values) if id_ in self._open:
                self._step(self._open[id_], values)
            case Closed(item):
                self._finish(item)
                return item.report.id
            case Compared():
                self._compare(message)
                return COMPARISON
            case Stopped():
                self._stop()
        return ""

    def _begin(self, opening: _Opening) -> LiveRun:
        """A run: online while the server answers, else offline."""
        import wandb

        kept = opening.about.output_dir / "wandb"

        # Copies of artifacts wait here for `wandb sync`; by default they would lie in the user's home.
        os.environ.setdefault("WANDB_DATA_DIR", str(kept))
        wandb.setup(wandb.Settings(silent=True))
        if self._online:
            run_id = secrets.token_hex(4)
            try:
                if wandb.login(prompt=False, verify=False):
                    return LiveRun(run=_init(opening, "online", run_id), online=True)
                self._go_offline("not logged in")
            except Exception as error:
                self._go_offline(reason(error))
            for leftover in kept.glob(f"run-*-{run_id}"):
                shutil.rmtree(leftover, ignore_errors=True)
        return LiveRun(run=_init(opening, "offline", secrets.token_hex(4)), online=False)

    def _go_offline(self, why: str) -> None:
        self._online, self._went_offline = False, why

    def _step(self, opened: LiveRun, values: Mapping[str, float]) -> None:
        opened.run.log(curve_point(values), step=opened.steps)
        opened.steps += 1

    def _finish(self, item: Tracked) -> None:
        """Log what the item came to; an item of which no step was seen is logged whole, from its files."""
        opened = self._open.pop(item.report.id, None)
        if opened is None or (opened.online and not self._online):
            opened = self._begin(_opening(item))
        for step, point in list(enumerate(curve_points(item.folder)))[opened.steps :]:
            opened.run.log(point, step=step)
        opened.run.config.update(config(item.spec, item.report), allow_val_change=True)
        _log_files(opened.run, item)
        opened.run.summary.update(summary(item.report))
        self._close(opened, item.report.id, exit_code=0 if item.report.error is None else 1)

    def _compare(self, compared: Compared) -> None:
        """A run in the group of the items: every difference as a table, and in words what is beyond chance."""
        import wandb

        comparison = read_comparison(compared.file)
        plain = {"spec": compared.spec.model_dump(mode="json", include={"path", "sha256", "name", "description"})}
        opened = self._begin(_Opening(about=compared, name=COMPARISON, job_type=COMPARISON, config=plain))
        tables = {
            "differences": wandb.Table(columns=list(DIFFERENCE_COLUMNS), data=difference_rows(comparison)),
            "findings": wandb.Table(columns=["finding"], data=[[finding] for finding in comparison.findings]),
        }
        opened.run.log({f"mechint/comparison/{name}": table for name, table in tables.items()})
        told = {
            "conclusion": comparison.conclusion,
            "tests": comparison.tests,
            "beyond_chance": len(comparison.findings),
        }
        opened.run.summary.update({f"mechint/comparison/{name}": value for name, value in told.items()})
        opened.run.summary.update(base_summary(comparison))
        self._close(opened, COMPARISON, exit_code=0)

    def _close(self, opened: LiveRun, name: str, *, exit_code: int) -> None:
        try:
            opened.run.finish(exit_code=exit_code)
        except TimeoutError:  # all of it is on disk
            self._go_offline(f"{name} was not uploaded within {FINISH_SECONDS:.0f} s")

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


def _opening(item: Tracked) -> _Opening:
    return _Opening(
        about=item, name=item.report.id, job_type=item.report.method["name"], config=config(item.spec, item.report)
    )


def _init(opening: _Opening, mode: Literal["online", "offline"], run_id: str) -> wandb.Run:
    import wandb

    about, spec = opening.about, opening.about.spec
    return wandb.init(
        id=run_id,
        project=about.project,
        entity=about.entity,
        group=spec.name[:LONGEST_GROUP],
        name=opening.name,
        job_type=opening.job_type,
        tags=[tag[:LONGEST_TAG] for tag in spec.tags],
        notes=spec.description or None,
        config=dict(opening.config),
        dir=str(about.output_dir),
        mode=mode,
        reinit="create_new",
        settings=wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            **(_patience() if mode == "online" else {}),
        ),
    )


def _patience() -> dict[str, Any]:
    """How long a server is waited for; a run that is kept offline waits for the machine alone, as long as it takes."""
    return {"init_timeout": INIT_SECONDS, "finish_timeout": FINISH_SECONDS, "finish_timeout_raises": True}


def _log_files(run: wandb.Run, item: Tracked) -> None:
    """Figures, tables and masks."""
    import wandb

    shown: dict[str, object] = {key: wandb.Image(str(path)) for key, path in figures(item.report, item.folder).items()}
    tables = {
        "mechint/layer_summary": (LAYER_COLUMNS, layer_rows(item.report)),
        "mechint/verdicts": (VERDICT_COLUMNS, verdict_rows(item.report)),
    }
    for key, (columns, rows) in tables.items():
        if rows:
            shown[key] = wandb.Table(columns=list(columns), data=rows)
    if shown:
        run.log(shown)
    if MASKS in item.report.artifacts:
        artifact = wandb.Artifact(masks_name(item.report), type="masks", metadata={"item": item.report.id})
        artifact.add_file(str(item.folder / MASKS))
        run.log_artifact(artifact)
