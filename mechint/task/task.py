"""A behaviour that a circuit is searched for and judged on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from mechint.task.examples import Examples
from mechint.task.metric import Metric

__all__ = ["Task"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """A behaviour: examples to search on, examples to judge on that the search never sees, and the metric."""

    search: Examples
    heldout: Examples
    metric: Metric
    description: str
    """One sentence for the report."""

    def to(self, device: torch.device) -> Task:
        """The same task with its examples on a device."""
        return replace(self, search=self.search.to(device), heldout=self.heldout.to(device))
