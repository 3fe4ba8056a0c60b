"""How much a pickle makes its reader hash, counted without reading it.

A tuple may hold another many times over, and be a key of a dictionary: a file of a few hundred bytes then keeps its
reader busy for ever. The same goes for thousands of keys that were chosen for sharing one hash, as whole numbers and
tuples of numbers can; the hashes of texts are random. A reader hashes keys of dictionaries, what it makes sets and
ordered dictionaries of, the state of an object, and the parts of a storage's name.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["KeyCost"]

MOST_HASHED = 20_000_000
"""Values in keys, each counted as often as it stands in one; a reader hashes so many in a second."""
WIDE = 2**61 - 1
"""Whole numbers have a hash of their own up to here."""
MOST_ALIKE = 10_000
"""Keys that may share a hash; a reader compares each of so many with all others in a second."""

_MADE_BY_HASHING = ("collections OrderedDict", "__builtin__ set")
_DEEPEST = 5
"""Levels that a reader goes down: arguments of an ordered dictionary, a set in them, its arguments, a pair, a key."""
_TAKES = {
    **dict.fromkeys(("TUPLE1", "APPEND", "BUILD", "BINPERSID"), 1),
    **dict.fromkeys(("TUPLE2", "SETITEM", "REDUCE", "NEWOBJ"), 2),
    "TUPLE3": 3,
    **dict.fromkeys(("TUPLE", "APPENDS", "SETITEMS"), None),
}
"""How many values an instruction takes from the stack; None for all above the mark."""


_NONE: list[_Value] = []  # for all that have none, since there may be millions


class _Value:
    """What it costs to hash a value, or each of the values in it."""

    __slots__ = ("alike", "alike_inside", "hashed", "inside", "numeric", "parts")

    def __init__(self, *, numeric: bool = False, alike: int = 0) -> None:
        self.hashed = 1
        """Values that are hashed with it; a list or dictionary has no hash, which its reader says at once."""
        self.inside = 0
        """Values that are hashed with those in it; in a dictionary, with its keys."""
        self.alike = alike
        """1 where it may share its hash with others, else 0."""
        self.alike_inside = 0
        self.numeric = numeric
        """Whether its hash is known beforehand."""
        self.parts = _NONE
        """Those in it that may grow where they stand, or have such in them."""

    def put(self, values: Sequence[_Value]) -> None:
        """Put values in it."""
        more = []
        for value in values:
            self.inside += value.hashed
            self.alike_inside += value.alike
            if isinstance(value, _Growing) or value.parts:
                more.append(value)
            if not isinstance(value, _Growing):
                self.alike_inside += value.alike_inside
        self.inside = min(self.inside, MOST_HASHED + 1)
        self.alike_inside = min(self.alike_inside, MOST_ALIKE + 1)
        if self.parts:
            self.parts += more
        elif more:
            self.parts = more


class _Growing(_Value):
    """A list, a dictionary, or an object of any kind."""

    __slots__ = ()


_TEXT, _NUMBER, _WIDE, _HASHING = _Value(), _Value(numeric=True), _Value(numeric=True, alike=1), _Value()


def _tuple_of(values: Sequence[_Value]) -> _Value:
    made = _Value(numeric=any(value.numeric for value in values))
    made.put(values)
    made.hashed += made.inside
    made.alike = int(made.numeric)
    return made


class KeyCost:
    """What a pickle makes its reader hash, instruction by instruction: its stack with costs in place of values."""

    def __init__(self) -> None:
        self._hashed = 0
        self._alike = 0
        self._is_over = False
        self._stack: list[_Value] = []
        self._marks: list[int] = []
        self._memo: dict[object, _Value] = {}

    @property
    def is_small(self) -> bool:
        """Whether a reader of what was followed hashes no more than it can in seconds."""
        return self._hashed <= MOST_HASHED and self._alike <= MOST_ALIKE

    def follow(self, name: str, argument: object) -> None:
        """Count the next instruction, if it is one of torch.save's, and none before it was too much or damaged."""
        if self._is_over:
            return
        try:
            self._do(name, argument)
        except LookupError:  # the reader meets the same, and says that it is damaged
            self._is_over = True

    def _do(self, name: str, argument: object) -> None:
        """Do to the costs what an instruction does to the values; raises LookupError where it cannot."""
        if name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self._stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[argument])
        elif name in _TAKES:
            self._put_together(name, self._take(_TAKES[name]))
        elif name == "MARK":
            self._marks.append(len(self._stack))
        elif name in ("EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET"):
            self._stack.append(_Growing())
        elif isinstance(argument, str):
            self._stack.append(_HASHING if name == "GLOBAL" and argument in _MADE_BY_HASHING else _TEXT)
        elif name not in ("PROTO", "STOP"):
            self._stack.append(_WIDE if isinstance(argument, int) and abs(argument) >= WIDE else _NUMBER)

    def _put_together(self, name: str, taken: list[_Value]) -> None:
        if name.startswith("TUPLE"):
            self._stack.append(_tuple_of(taken))
        elif name in ("REDUCE", "NEWOBJ"):
            self._stack.append(self._call(taken[0], taken[1]))
        elif name.startswith("SETITEM"):
            self._hash_inside(_tuple_of(taken[::2]))
            self._grow(taken[::2])
        elif name in ("BINPERSID", "BUILD"):
            self._hash_inside(taken[0])
            self._stack += [_TEXT] * (name == "BINPERSID")
        else:
            self._grow(taken)
        self._is_over = not self.is_small

    def _call(self, function: _Value, arguments: _Value) -> _Value:
        made = _Growing(numeric=True)
        made.put([arguments])
        before = self._hashed, self._alike
        self._hash_inside(arguments)
        if function is not _HASHING:  # a torch.Size may be a key as tuples are
            made.hashed += self._hashed - before[0]
            made.alike, self._alike = 1, before[1]
        return made

    def _grow(self, values: Sequence[_Value]) -> None:
        if isinstance(self._stack[-1], _Growing):  # its reader refuses any other
            self._stack[-1].put(values)

    def _hash_inside(self, value: _Value, deepest: int = _DEEPEST) -> None:
        """Count what is in a value, in what is in that, and so on."""
        self._hashed += value.inside
        self._alike += value.alike_inside
        for part in value.parts if deepest else ():
            if self._hashed > MOST_HASHED:
                return
            self._hash_inside(part, deepest - 1)

    def _take(self, count: int | None) -> list[_Value]:
        start = self._marks.pop() if count is None else len(self._stack) - count
        taken = self._stack[start:]
        del self._stack[start:]
        return taken
