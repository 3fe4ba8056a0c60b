"""An item on its way to being measured, in this process or in another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from mechint.engine.measured import Measured
from mechint.engine.plugins import Plugins
from mechint.journal import Progress
from mechint.spec.limits import Limits
from mechint.spec.values import Item

__all__ = ["OUT_OF_MEMORY", "Execute", "Job", "Watch", "with_less"]

OUT_OF_MEMORY = "oom"
"""The kind of an error that more memory would have spared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One item to measure, and where its files go."""

    item: Item
    folder: Path
    key: str | None = None
    """Of everything that the measurement follows from; None where that is not known, and nothing is kept."""
    checkpoint: str | None = None
    """The hash of the checkpoint's files when the key was made; None where nothing is to be compared with it."""
    drawn: bool = False
    """Whether the folder holds the measurement, taken under another name, so that only figures are drawn again."""
    most_at_once: int | None = None
    """Examples in a pass at most; None where memory has not run out."""


class Watch(Protocol):
    """Who is told how far jobs are. Items may be at work side by side."""

    def started(self, item: Item) -> None: ...

    def progressed(self, item: Item, progress: Progress) -> None: ...

    def ended(self, job: Job, measured: Measured) -> None: ...


Execute = Callable[[Sequence[Job], Plugins, Limits, Watch], None]
"""Measures jobs and tells of each as it ends; KeyboardInterrupt ends it early."""


def with_less(job: Job, measured: Measured) -> Job | None:
    """The job with half as many examples in a pass, where memory ran out for the first time and a batch has a half."""
    batch = getattr(job.item.cell.method.options, "batch_size", 1)
    error = measured.report.error
    if error is None or error.kind != OUT_OF_MEMORY or job.most_at_once is not None or batch < 2:
        return None
    return replace(job, most_at_once=batch // 2)
