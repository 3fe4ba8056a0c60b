"""What methods that search for masks let a spec set, and what becomes of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from pydantic import Field

from mechint.search.settings import Estimator, SearchSettings
from mechint.spec.options import BatchSize, OptionsModel
from mechint.spec.schedules import Schedules

__all__ = ["MaskOptions", "idle_options", "settings_of", "stated_among"]


class MaskOptions(OptionsModel):
    """How a mask is searched."""

    estimator: Estimator = "best"
    """best: all that search, sharing the steps, and the winner on the search examples; swap: gradient swaps from an
    iterated ranking; iterated_ig: that ranking alone; straight_through and hard_concrete: learned masks;
    integrated_gradients: one ranking, as a reference."""
    steps: Annotated[int, Field(ge=12, le=1_000_000)] = 200
    """Forward and backward passes, over all stages of the search."""
    batch_size: BatchSize = 16
    """Examples in a pass."""
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.1
    """Of Adam, for the learned masks."""
    l1_lambda: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Weight of the mean mask probability in the loss, for the learned masks. The budget holds without it."""
    hard_masks: bool = True
    """Whether straight_through runs the model with 0/1 masks; false relaxes them. The result is 0/1 either way."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """End a stage when its smoothed loss has not improved for this many steps at the target sparsity. Learned masks
    stay there only with a schedules.sparsity.reach below 1."""


def settings_of(options: MaskOptions, schedules: Schedules | None, target_sparsity: float, seed: int) -> SearchSettings:
    """The settings of a search for a mask of that sparsity."""
    return SearchSettings(
        target_sparsity=target_sparsity,
        steps=options.steps,
        learning_rate=options.learning_rate,
        l1_lambda=options.l1_lambda,
        hard_masks=options.hard_masks,
        patience=options.patience,
        schedules=schedules or Schedules(),
        seed=seed,
    )


def idle_options(options: MaskOptions, schedules: Schedules | None) -> str | None:
    """A sentence on what the spec sets and the estimator does not use; None where all of it counts."""
    unused = [name for name, users in _USERS.items() if options.estimator not in users]
    idle = stated_among(unused, options, schedules)
    holds_the_target = schedules is not None and schedules.sparsity.reach < 1
    if options.patience is not None and options.estimator in _LEARNED and not holds_the_target:
        idle.add("patience")
    return f"without effect on {options.estimator}: {', '.join(sorted(idle))}" if idle else None


def stated_among(names: Collection[str], options: OptionsModel, schedules: Schedules | None) -> set[str]:
    """Which of these options, and parts of the schedules, the spec states."""
    parts = set() if schedules is None else {f"schedules.{part}" for part in schedules.model_fields_set}
    return (options.model_fields_set | parts) & set(names)


_LEARNED = ("straight_through", "hard_concrete")
_USERS = {
    "learning_rate": (*_LEARNED, "best"),
    "l1_lambda": (*_LEARNED, "best"),
    "schedules.sparsity": (*_LEARNED, "best"),
    "schedules.temperature": ("straight_through", "best"),
    "hard_masks": ("straight_through", "best"),
    "patience": (*_LEARNED, "swap", "best"),
}
"""The estimators that an option matters to; the options that are not here matter to all."""
