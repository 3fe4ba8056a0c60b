"""What became of an assertion, an item or a run."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Outcome"]


class Outcome(StrEnum):
    """What became of an assertion, an item or a run."""

    PASSED = "passed"
    WARNED = "warned"
    """An assertion with ``severity: warn`` does not hold or stays undecided; counts as passed."""
    FAILED = "failed"
    UNDECIDED = "undecided"
    """The measure has no meaning here, for instance because full and empty model do equally well."""
    XFAILED = "xfailed"
    """An assertion does not hold, as the spec expects; counts as passed."""
    XPASSED = "xpassed"
    """All assertions hold where the spec expects a failure; counts as failed."""
    SKIPPED = "skipped"
    """The spec says not to measure the item."""
    ERROR = "error"
    """The item could not be measured."""
    INTERRUPTED = "interrupted"
    """The run was stopped before all its items were measured; only a run has this outcome."""
