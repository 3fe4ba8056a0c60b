"""Processes that a test starts and talks to while they run."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["PATIENCE", "started", "wait_for"]

PATIENCE = 600.0
"""Seconds that no process takes that does not hang, however busy the machine."""


@contextmanager
def started(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive the block, whatever fails there."""
    with subprocess.Popen(command, text=True, **options) as running:
        try:
            yield running
        finally:
            running.kill()


def wait_for(path: Path, running: subprocess.Popen[str]) -> None:
    """Wait until a process has made a file; raises where it ends before, or hangs."""
    until = time.monotonic() + PATIENCE
    while running.poll() is None and not path.exists():
        if time.monotonic() > until:
            raise TimeoutError(f"{path} is still not there")
        time.sleep(0.1)
    assert path.exists(), f"it ended with {running.returncode} and made no {path}"
