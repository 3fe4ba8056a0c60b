"""What an item's process prints, kept from the terminal and within bounds."""

from __future__ import annotations

from pathlib import Path

from mechint.files import write_bytes

__all__ = ["OUTPUT", "Printed"]

OUTPUT = "output.log"
"""Name of the file in the item's folder; there is none where nothing was printed."""
HEAD = 256 << 10
"""Bytes of the beginning that are kept, and of the end."""
LAST_LINES = 40
"""For a report."""


class Printed:
    """The beginning and the end of what was printed."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._count = 0

    def add(self, content: bytes) -> None:
        self._count += len(content)
        room = HEAD - len(self._head)
        self._head += content[:room]
        self._tail += content[room:]
        if len(self._tail) > 2 * HEAD:
            del self._tail[:-HEAD]

    def write(self, folder: Path) -> None:
        """Leave it in the item's folder. Raises OSError where that cannot be done."""
        if self._count:
            write_bytes(folder / OUTPUT, bytes(self._head) + self._left_out() + self._end())

    def last_lines(self) -> str:
        """What was printed last, for people."""
        text = (bytes(self._end()) or bytes(self._head)).decode(errors="replace")
        return "\n".join(text.splitlines()[-LAST_LINES:])

    def _end(self) -> bytearray:
        return self._tail[-HEAD:]

    def _left_out(self) -> bytes:
        between = self._count - len(self._head) - len(self._end())
        return f"\n[{between} bytes are left out]\n".encode() if between else b""
