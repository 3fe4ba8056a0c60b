"""A behaviour that a circuit is searched for and judged on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from mechint.task.examples import Examples
from mechint.task.metric import Metric, Need

__all__ = ["Task"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """A behaviour: examples to search on, examples to judge on that the search never sees, and the metric."""

    search: Examples
    heldout: Examples
    metric: Metric
    description: str
    """One sentence for the report."""

    def missing(self, metric: Metric) -> str | None:
        """What the examples lack that the metric reads, in words; None where it can be used."""
        lacking = sorted(metric.needs - (self.search.gives & self.heldout.gives))
        return _WORDS[lacking[0]] if lacking else None

    def to(self, device: torch.device) -> Task:
        """The same task with its examples on a device."""
        return replace(self, search=self.search.to(device), heldout=self.heldout.to(device))


_WORDS: Mapping[Need, str] = {
    "answers": "prompts with answers",
    "distractors": "distractors beside the answers",
    "bytes": "the bytes of text behind each token",
}
