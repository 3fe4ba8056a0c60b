"""The curves of one training, as the file ``training_metrics_step*.json`` holds them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from mechint.files import write_text

__all__ = ["Curves"]

_SERIES = (
    *("train_losses", "val_losses", "train_perplexities", "val_perplexities"),
    *("learning_rates", "timestamps", "iterations"),
)


class Curves:
    """One entry of each series for each evaluation."""

    def __init__(self) -> None:
        self._series: dict[str, list[float | None]] = {name: [] for name in _SERIES}

    def add(
        self,
        *,
        iteration: int,
        train_loss: float | None,
        val_loss: float,
        learning_rate: float | None,
        timestamp: float | None,
    ) -> None:
        """Note one evaluation: losses in nats per token, seconds since 1970, None for what is not known."""
        values = (train_loss, val_loss, _perplexity(train_loss), _perplexity(val_loss), learning_rate, timestamp)
        for name, value in zip(_SERIES, (*values, iteration), strict=True):
            self._series[name].append(value if value is not None and math.isfinite(value) else None)

    def write(
        self, path: Path, *, iteration: int, best_val_loss: float, facts: Mapping[str, object] | None = None
    ) -> None:
        """Write the curves so far; ``facts`` are further entries of the file. What is not finite becomes null."""
        best = best_val_loss if math.isfinite(best_val_loss) else None
        content = {"final_iteration": iteration, "best_val_loss": best, **(facts or {}), "metrics": self._series}
        write_text(path, json.dumps(content, indent=1) + "\n")


def _perplexity(loss: float | None) -> float | None:
    return math.exp(loss) if loss is not None and loss < 700 else None
