"""Dies of SIGKILL before one chosen file operation, the first process of a run that comes to it.

``FAILPOINT`` chooses by a line of ``operations.log``, where all of an undisturbed run stand: who, what, which file, and
its number among equal ones. Loaded by the ``sitecustomize`` of a workspace.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections import Counter
from pathlib import Path

__all__ = ["LOG", "watch"]

LOG = "operations.log"
_OPERATIONS = {"os.mkdir", "os.rmdir", "os.remove", "os.rename", "os.chmod", "os.utime"}
_WRITES = os.O_WRONLY | os.O_RDWR
_RANDOM = re.compile(r"\.[A-Za-z0-9_]{8}(?=\.partial)")


def watch(folder: Path) -> None:
    """Follow this process's operations on files below the folder."""
    who = "worker" if "serve" in " ".join(sys.orig_argv) else "controller"
    own = {str(folder / LOG), str(folder / "killed"), str(folder / "steps.log")}
    seen: Counter[str] = Counter()

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event not in _OPERATIONS and not (event == "open" and int(str(arguments[2])) & _WRITES):
            return
        path = os.path.abspath(os.fsdecode(arguments[0])) if isinstance(arguments[0], str | bytes | Path) else ""
        if not path.startswith(f"{folder}{os.sep}") or path in own:
            return
        operation = f"{who} {event} {_RANDOM.sub('.*', os.path.relpath(path, folder))}"
        seen[operation] += 1
        _come_to(folder, f"{operation} {seen[operation]}")

    sys.addaudithook(hook)


def _come_to(folder: Path, operation: str) -> None:
    chosen = os.environ.get("FAILPOINT")
    if chosen is None:
        with open(folder / LOG, "a", encoding="utf-8") as log:
            log.write(f"{operation}\n")
    elif operation == chosen:
        try:
            os.close(os.open(folder / "killed", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
