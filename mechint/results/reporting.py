"""What the command line asks of reporters."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Reporting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """How much is said, and which files beside the results are asked for."""

    verbosity: int = 0
    """-q counts down, -v up."""
    durations: int | None = None
    """How many of the slowest items to list; 0 for all, None for none."""
    stdout: bool = True
    """Whether standard output is for people; otherwise they read standard error."""
    junit: str | None = None
    """Path of a JUnit XML file."""
    sarif: str | None = None
    """Path of a SARIF file."""
