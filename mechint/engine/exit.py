"""The one place that turns outcomes into a verdict and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

from mechint.errors import MechintError, NothingCollected, PluginError, UsageError
from mechint.results.outcome import Outcome

if TYPE_CHECKING:
    from mechint.results.values import Verdict

__all__ = ["ExitCode", "code_of_error", "conclude", "holds", "judge_item", "worst"]


class ExitCode(IntEnum):
    """What the process's exit status means."""

    PASSED = 0
    FAILED = 1
    """An assertion does not hold, or all hold where the spec expects a failure."""
    INTERRUPTED = 2
    INTERNAL = 3
    """A plugin cannot be loaded, an observer broke, or mechint did. A method that raises costs its own item only."""
    USAGE = 4
    """The command line or a spec is wrong."""
    NOTHING_COLLECTED = 5
    """No checkpoint or spec is there, or fewer checkpoints than a spec expects, or no item was selected."""
    INCOMPLETE = 7
    """An item could not be measured, or a file of results could not be written."""
    UNDECIDED = 8
    """A measure has no meaning, so its assertion can neither pass nor fail."""


# The first that applies wins: a broken program before an incomplete result, a proven failure before an open question.
_PRECEDENCE = (
    ExitCode.INTERNAL,
    ExitCode.INTERRUPTED,
    ExitCode.USAGE,
    ExitCode.FAILED,
    ExitCode.INCOMPLETE,
    ExitCode.UNDECIDED,
    ExitCode.NOTHING_COLLECTED,
    ExitCode.PASSED,
)

_BY_OUTCOME = {
    Outcome.FAILED: ExitCode.FAILED,
    Outcome.XPASSED: ExitCode.FAILED,
    Outcome.ERROR: ExitCode.INCOMPLETE,
    Outcome.UNDECIDED: ExitCode.UNDECIDED,
    Outcome.WARNED: ExitCode.PASSED,
    Outcome.PASSED: ExitCode.PASSED,
    Outcome.XFAILED: ExitCode.PASSED,
    Outcome.SKIPPED: ExitCode.PASSED,
}


def holds(outcome: Outcome) -> bool:
    """Whether an item that came to this has nothing against it."""
    return _BY_OUTCOME[outcome] is ExitCode.PASSED


def judge_item(verdicts: Sequence[Verdict], *, fails: bool = False) -> Outcome:
    """The outcome of an item that was measured: its worst verdict; passed if it asserts nothing.

    Of one that is expected to fail, a failure is none and a pass is one; what is undecided stays so.
    """
    found = {verdict.outcome for verdict in verdicts}
    order = (Outcome.FAILED, Outcome.UNDECIDED, Outcome.WARNED)
    outcome = next((outcome for outcome in order if outcome in found), Outcome.PASSED)
    if not fails or outcome is Outcome.UNDECIDED:
        return outcome
    return Outcome.XFAILED if outcome is Outcome.FAILED else Outcome.XPASSED


def conclude(outcomes: Sequence[Outcome], *, interrupted: bool) -> tuple[Outcome, ExitCode]:
    """The outcome and the exit code of a run, from those of its items."""
    if interrupted:
        return Outcome.INTERRUPTED, ExitCode.INTERRUPTED
    code = worst([_BY_OUTCOME[outcome] for outcome in outcomes])
    outcome = next((outcome for outcome, meaning in _BY_OUTCOME.items() if meaning is code), Outcome.PASSED)
    if code is ExitCode.PASSED:
        outcome = Outcome.WARNED if Outcome.WARNED in outcomes else Outcome.PASSED
    return outcome, code


def worst(codes: Sequence[ExitCode]) -> ExitCode:
    """The code that stands for several runs."""
    return min(codes, key=_PRECEDENCE.index, default=ExitCode.PASSED)


def code_of_error(error: MechintError) -> ExitCode:
    """The code for an error that stops a spec before its items run."""
    if isinstance(error, UsageError):
        return ExitCode.USAGE
    if isinstance(error, NothingCollected):
        return ExitCode.NOTHING_COLLECTED
    return ExitCode.INTERNAL if isinstance(error, PluginError) else ExitCode.INCOMPLETE
