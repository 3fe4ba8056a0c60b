"""A process beside this one, for work that may wait, raise or die without costing the work that is done here."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

__all__ = ["Beside", "Handler"]

Handler = Callable[[object], object]
"""Carries out one message; what it returns is sent back, unless it is None."""


class Beside:
    """Messages go to a handler in another process, one after another; nobody here waits for it before the end.

    Messages and answers are pickled. The handler's process has no terminal: what it prints is thrown away, and an
    interrupt from the keyboard is not for it. Where the handler raises, its process ends.
    """

    def __init__(self, start: Callable[[], Handler]) -> None:
        """``start`` makes the handler, over there; a function or class at a module's top level."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(start, theirs), daemon=True)
        self._process.start()
        theirs.close()  # so that its end is seen here
        self._outbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        threading.Thread(target=self._send, daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the other process runs."""
        return self._process.is_alive()

    def tell(self, message: object) -> None:
        """Send a message, at once and without waiting; one to a process that has ended is lost."""
        self._outbox.put(message)

    def answers(self, within: float = 0.0) -> list[object]:
        """What has been answered since the last call; waits for the first answer as long as is said."""
        found: list[object] = []
        try:
            while self._pipe.poll(0.0 if found else within):
                found.append(self._pipe.recv())
        except (EOFError, OSError):
            return found
        return found

    def close(self, patience: float) -> None:
        """Let the other process end when it has done what it was told, and kill it after so many seconds."""
        self.tell(None)
        self._process.join(patience)
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _send(self) -> None:
        try:
            while (message := self._outbox.get()) is not None:
                self._pipe.send(message)
            self._pipe.send(None)
        except OSError:
            return  # the other process has ended, which `alive` tells


def _serve(start: Callable[[], Handler], pipe: Connection) -> None:
    """The other process: handle messages until there are no more, or nobody who sends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    handle = start()
    try:
        while (message := pipe.recv()) is not None:
            answer = handle(message)
            if answer is not None:
                pipe.send(answer)
    except EOFError:
        return
