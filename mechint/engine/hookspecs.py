"""Every hook of mechint, with when it is called.

Providers return values; observers (``*_started``, ``*_finished``, ``mechint_progress``) return nothing.
An implementation may leave out arguments it does not need, and must give none a default.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from mechint.circuit.circuit import Analysis
    from mechint.journal import Journal, Progress
    from mechint.results.reporting import Reporting
    from mechint.results.values import ItemReport, RunReport
    from mechint.spec.options import OptionsModel
    from mechint.spec.schedules import Schedules
    from mechint.spec.values import Item, Plan
    from mechint.subject.architecture import Architecture
    from mechint.subject.subject import Subject
    from mechint.task.ablation import Ablation
    from mechint.task.metric import Metric
    from mechint.task.task import Task

OBSERVING = (
    "mechint_observers",
    "mechint_run_started",
    "mechint_item_started",
    "mechint_progress",
    "mechint_item_finished",
    "mechint_run_finished",
    "mechint_redraw_started",
    "mechint_command_finished",
)
"""Of what watches runs."""
MEASURING = ("mechint_analyze", "mechint_task", "mechint_metrics", "mechint_architectures")
"""Of what takes part in them."""

_spec = pluggy.HookspecMarker("mechint")


@_spec(firstresult=True)
def mechint_options() -> type[OptionsModel]:
    """Return the options that a spec may set for this method, task or tracker.

    Called once, before the spec is validated, on the plugins that the spec names; must not import torch. A plugin that
    observes runs and has options is a tracker: a key of the spec's top level names it and holds them.
    """
    raise NotImplementedError


@_spec(firstresult=True)
def mechint_analyze(
    subject: Subject,
    task: Task,
    ablation: Ablation,
    options: OptionsModel,
    schedules: Schedules | None,
    seed: int,
    journal: Journal,
) -> Analysis:
    """Find a circuit in a frozen model, on the task's search examples only.

    Called once an item, on the one method plugin that the spec names. Weights must not change.
    ``schedules`` is None where the spec has none; a method that does not take them is refused a spec that has.
    """
    raise NotImplementedError


@_spec(firstresult=True)
def mechint_task(subject: Subject, options: OptionsModel, metric: Metric) -> Task:
    """Return the examples that the circuit is searched and judged on.

    Called once an item, after the checkpoint is loaded, on the one task plugin that the spec names. A task that draws
    its examples has a seed among its options, so that the seed of a search does not move what it is judged on.
    """
    raise NotImplementedError


@_spec
def mechint_metrics() -> Sequence[Metric]:
    """Return metrics that a spec may name. Called whenever they are looked up; must not import torch."""
    raise NotImplementedError


@_spec
def mechint_architectures() -> Sequence[Architecture]:
    """Return tables of sites for families of models of transformers. Called once an item; must not import torch."""
    raise NotImplementedError


@_spec(firstresult=True)
def mechint_figures(report: ItemReport, folder: Path) -> Sequence[str]:
    """Draw the item's figures from what is saved in its folder and return their file names.

    Called after an item was measured, on its method plugin. Needs no model, so an old run can be drawn again. An SVG
    and a CSV that stand beside a picture under its name are found without being named.
    """
    raise NotImplementedError


@_spec
def mechint_observers(reporting: Reporting) -> Sequence[object]:
    """Return fresh objects whose hooks watch one run, for observers that keep state. Called once a run."""
    raise NotImplementedError


@_spec
def mechint_run_started(plan: Plan) -> None:
    """Observe that a run begins. Called once a spec, before its first item."""


@_spec
def mechint_item_started(item: Item) -> None:
    """Observe that an item begins. Not called for one that an earlier run has measured or that the spec skips."""


@_spec
def mechint_progress(item: Item, progress: Progress) -> None:
    """Observe one step of a running item; of several in turn, where they run side by side. Must be cheap."""


@_spec
def mechint_item_finished(report: ItemReport, folder: Path) -> None:
    """Observe an item's report. Called after the item's folder is complete, for failed and broken items too; an item
    that the spec skips has no folder and is in the run's report alone."""


@_spec
def mechint_run_finished(report: RunReport, output_dir: Path) -> None:
    """Observe the run's report. Called at its end, after ``results.json`` is on disk, or when a run is drawn again."""


@_spec
def mechint_redraw_started(report: RunReport, output_dir: Path) -> None:
    """Observe that a finished run is drawn again, in place of ``mechint_run_started``; no item starts.

    What its searches logged stands in each item's ``metrics.jsonl``.
    """


@_spec
def mechint_command_finished(reports: Sequence[RunReport], reporting: Reporting) -> None:
    """Observe the end of a command with the reports of all its runs. Called once, for files over several specs."""
