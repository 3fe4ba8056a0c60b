"""What a user can cause, as one tree.

* MechintError                 any of the below; printed without a traceback
  x UsageError                 the command line is wrong
    + SpecError                the spec is wrong; holds every fault found, each with its place
  x NothingCollected           the checkpoint pattern matches too few, or no item is selected
  x PluginError                a plugin cannot be imported, clashes with another or breaks its contract
  x ItemError                  one item cannot be measured; the other items go on
    + CheckpointError          a checkpoint is damaged, unsafe, incomplete or of an unknown kind
    + DataError                a task's data is missing, too small or does not fit the model
    + DivergedError            a search stopped because its loss became NaN or kept rising
    + WriteError               a file cannot be written: the disk is full or read-only

Messages start lower-case, quote what the user typed, and say what to do next. Every error has a code; ``coded`` gives
the text with it, as the program prints it.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field

from mechint.codes import Code, with_code

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
    "WriteError",
    "coded",
    "first_line",
    "is_out_of_memory",
    "refusal",
    "remedy",
]

_NO_ROOM = ("can't allocate memory", "Cannot allocate memory", "std::bad_alloc")
"""In what torch raises where a processor has no memory left, which is a plain RuntimeError."""
_TOO_MANY_OPEN = (errno.EMFILE, errno.ENFILE)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSALS = (*_TOO_MANY_OPEN, *_FULL, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ESTALE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong at one place of a file, printed as a compiler would."""

    file: str
    line: int | None = None
    """1-based; None where the fault has no line, such as an unreadable file."""
    column: int | None = None
    message: str
    hint: str | None = None
    code: Code = field(default=Code.CONTRADICTION, compare=False)

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{place}: {self.message}{hint}"


class MechintError(Exception):
    """Something a user can cause and mend."""

    default = Code.USAGE
    """The code of an error of this class that states none."""

    def __init__(self, message: str = "", *, code: Code | None = None) -> None:
        super().__init__(message)
        self.code = code or self.default


class UsageError(MechintError):
    """The command line asks for something that cannot be done."""


class SpecError(UsageError):
    """A spec has faults; all that were found are listed, in the order of the file."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


class NothingCollected(MechintError):
    """Too few checkpoints match or no item is selected, so there is nothing to analyse."""

    default = Code.NO_CHECKPOINT


class PluginError(MechintError):
    """A plugin cannot be used."""

    default = Code.PLUGIN_CONTRACT


class ItemError(MechintError):
    """One item cannot be measured."""

    default = Code.ITEM


class CheckpointError(ItemError):
    """A checkpoint cannot be loaded whole and safely."""

    default = Code.CHECKPOINT


class DataError(ItemError):
    """A task's data cannot be used with this model."""

    default = Code.DATA


class DivergedError(ItemError):
    """A search was stopped early because it diverged."""

    default = Code.DIVERGED


def coded(error: MechintError) -> str:
    """The error's message with its code, and each fault of a spec with its own."""
    if isinstance(error, SpecError):
        return "\n".join(with_code(str(fault), fault.code) for fault in error.faults)
    return with_code(str(error), error.code)


class WriteError(ItemError, OSError):
    """A file of results cannot be written."""

    default = Code.REFUSED


def refusal(error: BaseException) -> MechintError | None:
    """What the system refused to open, read or write, as an error that a user can mend; None for any other error."""
    if isinstance(error, WriteError):
        return error
    if not isinstance(error, OSError) or error.errno not in (*_REFUSALS, errno.ENAMETOOLONG):
        return None
    message = f"{error.filename or 'refused by the system'}: {(error.strerror or str(error)).lower()}{remedy(error)}"
    if error.errno == errno.ENAMETOOLONG:
        return UsageError(message, code=Code.UNUSABLE_PATH)
    return ItemError(message, code=Code.REFUSED)


def remedy(error: OSError, *, full: str = "", usual: str = "") -> str:
    """A line with what to do about it: the usual, but where a disk is full or too many files are open."""
    fewer = "raise the limit on open files (ulimit -n), or run fewer items at once (-n)"
    hint = fewer if error.errno in _TOO_MANY_OPEN else full if error.errno in _FULL else usual
    return f"\n  hint: {hint}" if hint else ""


def first_line(error: BaseException, most: int = 200) -> str:
    """The first line of another library's error, or its type's name where it says nothing, at most ``most`` long."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip()[:most]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it is what Python, or torch on a processor or an accelerator, raises without room."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _NO_ROOM)
