"""Weights that do not fit a model, as a list that says what to look at."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from mechint.checkpoint.checkpoint import Checkpoint

__all__ = ["describe_misfits"]

_ROWS = 12
"""Lines of each kind."""
_MOST_COMPARED = 1000
"""Names among which a similar one is looked for."""


def describe_misfits(
    checkpoint: Checkpoint, kind: str, missing: Sequence[str], unknown: Sequence[str], wrong: Sequence[str]
) -> str:
    """The message for weights that are missing, not understood or of another shape (``wrong`` says which)."""
    rows = _rows("missing", [f"{name}{_near(name, unknown)}" for name in missing])
    rows += _rows("not understood", [f"{name} {_shape(checkpoint, name)}{_near(name, missing)}" for name in unknown])
    rows += _rows("wrong shape", wrong)
    return f"{checkpoint.path}: its weights are not those of a {kind}; a part of a model is never loaded\n" + "\n".join(
        rows
    )


def _rows(title: str, lines: Sequence[str]) -> list[str]:
    rows = [f"  {title:<15} {line}" for line in lines[:_ROWS]]
    return rows + ([f"  {title:<15} and {len(lines) - _ROWS} more"] if len(lines) > _ROWS else [])


def _shape(checkpoint: Checkpoint, name: str) -> str:
    weight = checkpoint.weights.get(name)
    return "" if weight is None else str(list(weight.shape))


def _near(name: str, others: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, others[:_MOST_COMPARED], n=1, cutoff=0.8)
    return f", is it {near[0]}?" if near else ""
