"""What an item needs before its method runs: the model, the task, the ablation and the metrics that can be taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mechint.engine.plugins import Plugins, wrong_return
from mechint.errors import DataError
from mechint.spec.values import Cell, Item
from mechint.subject.architecture import Architecture
from mechint.task.metric import Metric

if TYPE_CHECKING:
    from mechint.subject.subject import Subject
    from mechint.task.ablation import Ablation
    from mechint.task.task import Task

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """A model, what it is to do, and how it is judged."""

    subject: Subject
    task: Task
    ablation: Ablation
    metrics: tuple[Metric, ...]
    """Those that the task's examples have everything for."""


def prepare(item: Item, plugins: Plugins, most_at_once: int | None = None) -> Prepared:
    """Load an item's checkpoint and make its task. Raises CheckpointError or DataError where that cannot be done.

    ``most_at_once`` bounds the examples in a pass.
    """
    from mechint.task.ablation import Ablation, refuse_unfit

    cell, subject = item.cell, replace(_load(item, plugins), most_at_once=most_at_once)
    metrics = {metric.name: metric for metric in plugins.collect("mechint_metrics", Metric)}
    task = _make_task(cell, plugins, subject, metrics)
    refuse_unfit(cell.faithfulness.ablation, task)
    ablation = Ablation(name=cell.faithfulness.ablation, subject=subject, reference=task.search, seed=cell.seed)
    usable = tuple(metric for metric in metrics.values() if task.missing(metric) is None)
    return Prepared(subject=subject, task=task, ablation=ablation, metrics=usable)


def _load(item: Item, plugins: Plugins) -> Subject:
    from mechint.subject.load import load_subject

    return load_subject(item.checkpoint, plugins.collect("mechint_architectures", Architecture))


def _make_task(cell: Cell, plugins: Plugins, subject: Subject, metrics: Mapping[str, Metric]) -> Task:
    """The task, on the subject's device; DataError where it lacks what a metric that the spec names reads."""
    from mechint.task.task import Task

    options = cell.task.options.model_copy(deep=True)
    task: Task = plugins.ask(
        cell.task.name, "mechint_task", subject=subject, options=options, metric=metrics[cell.metric]
    )
    if not isinstance(task, Task):
        raise wrong_return(cell.task.name, "mechint_task", task, "a Task")
    for name in (cell.metric, *(assertion.metric for assertion in cell.faithfulness.assertions)):
        if name in metrics and (lacking := task.missing(metrics[name])) is not None:
            raise DataError(f"{name} needs {lacking}, and task {cell.task.name} has none")
    return task.to(subject.device)
