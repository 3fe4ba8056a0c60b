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
    from mechint.results.values import ItemReport, RunReport
    from mechint.spec.options import OptionsModel
    from mechint.spec.schedules import Schedules
    from mechint.spec.values import Item, Plan
    from mechint.subject.architecture import Architecture
    from mechint.subject.subject import Subject
    from mechint.task.ablation import Ablation
    from mechint.task.metric import Metric
    from mechint.task.task import Task

_spec = pluggy.HookspecMarker("mechint")


@_spec(firstresult=True)
def mechint_options() -> type[OptionsModel]:
    """Return the options that a spec may set for this method or task.

    Called once, before the spec is validated, on the plugins that the spec names; must not import torch.
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

    Called after an item was measured, on its method plugin. Needs no model, so an old run can be drawn again.
    """
    raise NotImplementedError


@_spec
def mechint_observers() -> Sequence[object]:
    """Return fresh objects whose hooks watch one run, for observers that keep state. Called once a run."""
    raise NotImplementedError


@_spec
def mechint_run_started(plan: Plan) -> None:
    """Observe that a run begins. Called once a spec, before its first item."""


@_spec
def mechint_item_started(item: Item) -> None:
    """Observe that an item begins. Not called for one that an earlier run has measured."""


@_spec
def mechint_progress(item: Item, progress: Progress) -> None:
    """Observe one step of a running item; of several in turn, where they run side by side. Must be cheap."""


@_spec
def mechint_item_finished(report: ItemReport, folder: Path) -> None:
    """Observe an item's report. Called after the item's folder is complete, for failed and broken items too."""


@_spec
def mechint_run_finished(report: RunReport, output_dir: Path) -> None:
    """Observe the run's report. Called last, after ``results.json`` is on disk."""
