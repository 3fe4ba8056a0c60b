"""How much a pickle makes its reader hash, counted without reading it.

A tuple may hold another many times over, and be a key of a dictionary: a file of a few hundred bytes then keeps its
reader busy for ever. The same goes for millions of whole numbers that share one hash.
"""

from __future__ import annotations

import pickletools

__all__ = ["hashes_soon"]

MOST_HASHED = 20_000_000
"""Values in keys, each counted as often as it stands in one; a reader hashes so many in a second."""
WIDE = 2**61 - 1
"""Whole numbers have a hash of their own up to here."""
MOST_WIDE = 10_000

_TAKES = {
    **dict.fromkeys(("TUPLE1", "APPEND", "BUILD", "BINPERSID"), 1),
    **dict.fromkeys(("TUPLE2", "SETITEM", "REDUCE", "NEWOBJ"), 2),
    "TUPLE3": 3,
    **dict.fromkeys(("TUPLE", "APPENDS", "SETITEMS"), None),
}
"""How many values an instruction takes from the stack; None for all above the mark."""


def hashes_soon(pickled: bytes) -> bool:
    """Whether a reader of a pickle of torch.save's instructions alone hashes no more than it can in seconds."""
    sizes = _Sizes()
    for opcode, argument, _ in pickletools.genops(pickled):
        try:
            sizes.follow(opcode.name, argument)
        except LookupError:  # its reader meets the same, and says that it is damaged
            return True
        if sizes.hashed > MOST_HASHED or sizes.wide > MOST_WIDE:
            return False
    return True


class _Sizes:
    """A reader's stack with, in place of each value, how many values it has once it is written out."""

    def __init__(self) -> None:
        self.hashed = 0
        self.wide = 0
        self._stack: list[list[int]] = []
        """Lists of one number, since a list or dictionary in the memo grows where it stands."""
        self._marks: list[int] = []
        self._memo: dict[object, list[int]] = {}

    def follow(self, name: str, argument: object) -> None:
        """Do to the sizes what an instruction does to the values. Raises LookupError where it cannot."""
        if name == "MARK":
            self._marks.append(len(self._stack))
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self._stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[argument])
        elif name in _TAKES:
            self._put_together(name, self._take(_TAKES[name]))
        elif name not in ("PROTO", "STOP"):
            self.wide += isinstance(argument, int) and abs(argument) >= WIDE
            self._push(1)

    def _put_together(self, name: str, taken: list[int]) -> None:
        if name.startswith("TUPLE"):
            self._push(1 + sum(taken))
        elif name in ("REDUCE", "NEWOBJ"):  # which may make a set of a list, or a dictionary of pairs
            self.hashed += taken[1]
            self._push(taken[1])
        elif name == "BINPERSID":
            self._push(1)
        elif name != "BUILD":
            self.hashed += sum(taken[::2]) if name.startswith("SET") else 0
            self._stack[-1][0] = min(self._stack[-1][0] + sum(taken), MOST_HASHED + 1)

    def _take(self, count: int | None) -> list[int]:
        start = self._marks.pop() if count is None else len(self._stack) - count
        taken = [size for (size,) in self._stack[start:]]
        del self._stack[start:]
        return taken

    def _push(self, size: int) -> None:
        self._stack.append([min(size, MOST_HASHED + 1)])
