"""What a mask search is told, and when it stops before its steps are spent."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from mechint.circuit.space import count_kept
from mechint.errors import DivergedError
from mechint.spec.schedules import Schedules

__all__ = ["Estimator", "Guard", "SearchSettings"]

Estimator = Literal["best", "straight_through", "hard_concrete", "iterated_ig", "swap", "integrated_gradients"]
"""The ways to search for a mask, see ``find.find_mask``."""

ADVICE = (
    "lower method.learning_rate (0.01 is cautious), use a gentler schedule (sparsity: cubic), "
    "or give the search more method.steps"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """How long and how a mask is searched."""

    target_sparsity: float
    steps: int
    """Backward passes, all stages together."""
    learning_rate: float = 0.1
    l1_lambda: float = 0.0
    hard_masks: bool = True
    patience: int | None = None
    """Steps without a better loss, at the target sparsity, after which a stage ends; None never ends it early."""
    schedules: Schedules = field(default_factory=Schedules)
    seed: int = 0

    def keep(self, size: int) -> int:
        """How many of ``size`` mask entries are kept at the target sparsity."""
        return count_kept(size, self.target_sparsity)


@dataclass(slots=True)
class Guard:
    """Watches a stage's loss: raises when it diverges, and says when waiting longer has not helped."""

    stage: str
    ceiling: float
    """A loss above this means that the mask does worse than keeping nothing, and by far."""
    patience: int | None = None
    smoothed: float = math.nan
    best: float = math.inf
    waited: int = 0
    above: int = 0

    def check(self, loss: float, step: int) -> None:
        """Raise DivergedError if the loss is not finite or has stayed above the ceiling for ten steps."""
        self.above = self.above + 1 if loss > self.ceiling else 0
        if math.isfinite(loss) and self.above < 10:
            return
        found = (
            f"rose to {loss:.4g}, far above the full and the fully ablated model's"
            if math.isfinite(loss)
            else f"became {loss}"
        )
        raise DivergedError(f"the loss of {self.stage} {found}, at step {step}\n  hint: {ADVICE}")

    def state_dict(self) -> dict[str, Any]:
        """What it has seen, for a search that is interrupted."""
        return {"smoothed": self.smoothed, "best": self.best, "waited": self.waited, "above": self.above}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what another guard had seen."""
        for name, value in state_dict.items():
            setattr(self, name, value)

    def exhausted(self, loss: float) -> bool:
        """Whether the smoothed loss has not improved for ``patience`` steps; call it at the target sparsity only."""
        self.smoothed = loss if math.isnan(self.smoothed) else 0.9 * self.smoothed + 0.1 * loss
        improved = self.smoothed < self.best
        self.best = min(self.best, self.smoothed)
        self.waited = 0 if improved else self.waited + 1
        return self.patience is not None and self.waited >= self.patience
