"""Reading hostile inputs under watch: what they cost, what they opened or ran, and how they were refused.

Meant for a process of its own: the watch over the interpreter cannot be taken off again.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mechint import cli
from mechint.engine.exit import code_of_error
from mechint.errors import MechintError
from tests.hostile.cases import Case, good_cases

__all__ = ["Seen", "watch"]

FORBIDDEN = ("socket.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.", "webbrowser.")
"""What the interpreter reports when a program opens a connection or starts another program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What reading one input did."""

    case: Case
    code: int
    message: str
    """All that was printed to standard error."""
    seconds: float
    """Of the processor, which busy neighbours do not lengthen; whatever waits instead never comes to an end."""
    grew: int
    """Bytes of memory at the peak beyond those before."""
    forbidden: tuple[str, ...]
    """What it opened or started, and whether the canary is there."""

    @property
    def refused(self) -> bool:
        """Whether it ended in one clear error and did nothing else."""
        clear = 0 < len(self.message) < 2000 and "Traceback" not in self.message
        return self.code not in (0, 1, 3) and clear and not self.forbidden


def watch(cases: Iterable[Case], folder: Path) -> Iterator[Seen]:
    """Read every case in an empty folder of its own; the good ones are read first, so that imports are not counted."""
    os.environ.pop("CI", None)
    events: list[str] = []
    sys.addaudithook(lambda event, _: events.append(event) if event.startswith(FORBIDDEN) else None)
    for case in good_cases():
        if (seen := _read(case, folder, events)).code != 0:
            raise AssertionError(f"a good {case.kind} is refused: {seen.message}")
    for case in cases:
        yield _read(case, folder, events)


def _read(case: Case, folder: Path, events: list[str]) -> Seen:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.chdir(folder)
    canary = folder / "canary"
    case.write(folder, canary)
    events.clear()
    before, started = _reset_peak(), time.process_time()
    code, message = _call(case)
    seconds, grew = time.process_time() - started, _memory("VmHWM") - before
    forbidden = (*dict.fromkeys(events), *(["canary"] if canary.exists() else []))
    return Seen(case=case, code=code, message=message, seconds=seconds, grew=grew, forbidden=forbidden)


def _call(case: Case) -> tuple[int, str]:
    """The exit code and what was printed to standard error."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            if isinstance(case.read, tuple):
                sys.argv = ["mechint", *case.read]
                cli.main()
            case.read()
            code = 0
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        except MechintError as error:
            print(error, file=sys.stderr)
            code = code_of_error(error)
    return code, errors.getvalue()


def _reset_peak() -> int:
    """Forget the peak of memory; the bytes in use."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(f"{name}:"))
