"""Why an item has no result, in words: what was raised, or how its process ended."""

from __future__ import annotations

import signal
import traceback
from dataclasses import dataclass
from pathlib import Path

from mechint.engine.job import OUT_OF_MEMORY
from mechint.errors import MechintError, first_line, is_out_of_memory, refusal
from mechint.results.values import ErrorFacts
from mechint.spec.limits import Limits

__all__ = ["Death", "count_oom_kills", "crossed_limit", "error_facts", "explain_end"]

_ROOM = "lower method.batch_size, give limits.memory more, or run fewer items at once (-n)"
_CRASHES = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How a process ended."""

    kind: str
    """``crashed``, ``killed``, ``timeout``, ``oom`` or ``exited``."""
    message: str

    def facts(self, printed: str) -> ErrorFacts:
        """As a report states it; ``printed`` is what the process said last."""
        at = f"{printed.rstrip()}\n" if printed.strip() and self.kind in ("crashed", "exited") else None
        return ErrorFacts(kind=self.kind, message=self.message, traceback=at)


def error_facts(error: BaseException) -> ErrorFacts:
    """What was raised, as a report states it; only bugs keep their traceback."""
    kind, trace = type(error).__name__, "".join(traceback.format_exception(error))
    if isinstance(error, MechintError):
        return ErrorFacts(kind=kind, code=error.code, message=str(error), traceback=None)
    if (refused := refusal(error)) is not None:
        return ErrorFacts(kind=kind, code=refused.code, message=str(refused), traceback=None)
    if is_out_of_memory(error):
        message = f"memory ran out ({kind}: {first_line(error)})\n  hint: {_ROOM}"
        return ErrorFacts(kind=OUT_OF_MEMORY, message=message, traceback=None)
    if isinstance(error, SystemExit) or isinstance(error.__cause__, SystemExit):  # in a hook
        message = f"sys.exit({error.code!r}) was called" if isinstance(error, SystemExit) else str(error)
        return ErrorFacts(kind="exited", message=message, traceback=trace)
    return ErrorFacts(kind=kind, message=f"{kind}: {error}", traceback=trace)


def explain_end(status: int, *, out_of_memory: bool) -> Death:
    """What an exit status without a result means: negative for a signal, as subprocess gives it."""
    if status >= 0:
        return Death(
            kind="exited",
            message=f"its process ended with status {status} and without a result\n"
            "  hint: a method returns its analysis; it must not end the process",
        )
    name = _name(-status)
    if name in _CRASHES:
        return Death(
            kind="crashed",
            message=f"its process crashed with {name}\n"
            "  hint: native code of a library or a plugin is at fault; output.log has what it printed last",
        )
    if name == "SIGKILL" and out_of_memory:
        return Death(
            kind=OUT_OF_MEMORY, message=f"the system had no memory left and killed its process\n  hint: {_ROOM}"
        )
    return Death(
        kind="killed",
        message=f"its process was killed from outside, with {name}\n  hint: the same command goes on from where it was",
    )


def crossed_limit(limits: Limits, *, began: bool) -> Death:
    """The end of a process that was stopped because it took too long."""
    if not began:
        return Death(kind="timeout", message="its process did not start\n  hint: run it with --in-process to see why")
    return Death(
        kind="timeout",
        message=f"took longer than {limits.time}, its limits.time, and was stopped\n"
        "  hint: give limits.time more; the same command goes on from where it was stopped",
    )


def count_oom_kills() -> int:
    """How many processes the system has killed for want of memory; 0 where it does not say."""
    count = 0
    for path in (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events")):
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        count += sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return count


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
