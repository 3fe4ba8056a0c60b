"""What a user can cause, as one tree.

* MechintError                 any of the below; printed without a traceback
  x UsageError                 the command line is wrong
    + SpecError                the spec is wrong; holds every fault found, each with its place
  x NothingCollected           the checkpoint pattern matches nothing
  x PluginError                a plugin cannot be imported, clashes with another or breaks its contract
  x ItemError                  one item cannot be measured; the other items go on
    + CheckpointError          a checkpoint is damaged, unsafe, incomplete or of an unknown kind
    + DataError                a task's data is missing, too small or does not fit the model
    + DivergedError            a search stopped because its loss became NaN or kept rising

Messages start lower-case, quote what the user typed, and say what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "CheckpointError",
    "DataError",
    "DivergedError",
    "Fault",
    "ItemError",
    "MechintError",
    "NothingCollected",
    "PluginError",
    "SpecError",
    "UsageError",
    "first_line",
    "is_out_of_memory",
]

_NO_ROOM = ("can't allocate memory", "Cannot allocate memory", "std::bad_alloc")
"""In what torch raises where a processor has no memory left, which is a plain RuntimeError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong at one place of a file, printed as a compiler would."""

    file: str
    line: int | None = None
    """1-based; None where the fault has no line, such as an unreadable file."""
    column: int | None = None
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{place}: {self.message}{hint}"


class MechintError(Exception):
    """Something a user can cause and mend."""


class UsageError(MechintError):
    """The command line asks for something that cannot be done."""


class SpecError(UsageError):
    """A spec has faults; all that were found are listed, in the order of the file."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


class NothingCollected(MechintError):
    """No checkpoint matches, so there is nothing to analyse."""


class PluginError(MechintError):
    """A plugin cannot be used."""


class ItemError(MechintError):
    """One item cannot be measured."""


class CheckpointError(ItemError):
    """A checkpoint cannot be loaded whole and safely."""


class DataError(ItemError):
    """A task's data cannot be used with this model."""


class DivergedError(ItemError):
    """A search was stopped early because it diverged."""


def first_line(error: BaseException, most: int = 200) -> str:
    """The first line of another library's error, or its type's name where it says nothing, at most ``most`` long."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip()[:most]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it is what Python, or torch on a processor or an accelerator, raises without room."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _NO_ROOM)
