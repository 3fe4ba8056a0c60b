"""Loops that go on where an interrupted run left them, so that a method need not know that there was one."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mechint.files import write_bytes

if TYPE_CHECKING:
    from torch import Generator, Tensor

__all__ = ["State", "Stateful", "Steps"]

Row = dict[str, float | int | str]

_DIGEST = hashlib.sha256().digest_size


class Stateful(Protocol):
    """Something that can say what it holds and take it back, as an optimiser can."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any: ...


State = Mapping[str, "Tensor | Generator | Stateful"]
"""Everything that the steps of a loop change, by name; tensors are changed in place."""


class Steps:
    """The numbers of a loop's steps. What the steps change is kept from time to time, and restored at the start.

    Kept after a step is complete, with the rows that were logged since the loop began; so a loop that is killed goes on
    with the same bits.
    """

    def __init__(self, path: Path | None, total: int, state: State, rows: list[Row], seconds_between: float) -> None:
        self._path, self._total, self._state, self._rows = path, total, state, rows
        self._seconds_between = seconds_between
        self._first_row = len(rows)
        self._next = 0
        self.damaged = path is not None and path.is_file() and not self._restore(path)

    def __iter__(self) -> Iterator[int]:
        kept = time.monotonic()
        while self._next < self._total:
            yield self._next
            self._next += 1
            at = time.monotonic()
            if self._next == self._total or at - kept >= self._seconds_between:
                self._keep()
                kept = at

    def stop(self) -> None:
        """Say that the loop ends before its last step; leave it next."""
        self._next = self._total
        self._keep()

    def _keep(self) -> None:
        if self._path is None:
            return
        import torch

        kept = {
            "next": self._next,
            "total": self._total,
            "state": {name: _read(one) for name, one in self._state.items()},
            "rows": self._rows[self._first_row :],
        }
        stream = io.BytesIO()
        torch.save(kept, stream)
        # torch reads a file with a flipped byte without a word, hence the hash before it.
        write_bytes(self._path, hashlib.sha256(stream.getvalue()).digest() + stream.getvalue())

    def _restore(self, path: Path) -> bool:
        """Take up what was kept; False where it cannot be read."""
        import torch

        content = path.read_bytes()
        digest, saved = content[:_DIGEST], content[_DIGEST:]
        if hashlib.sha256(saved).digest() != digest:
            return False
        kept = torch.load(io.BytesIO(saved), map_location="cpu", weights_only=True)
        assert kept["total"] == self._total, f"{path}: a loop of {kept['total']} steps, and this one has {self._total}"
        for name, one in self._state.items():
            _write(one, kept["state"][name])
        self._rows += kept["rows"]
        self._next = kept["next"]
        return True


def _read(one: Tensor | Generator | Stateful) -> Any:
    import torch

    if isinstance(one, torch.Tensor):
        return one.detach()
    return one.get_state() if isinstance(one, torch.Generator) else one.state_dict()


def _write(one: Tensor | Generator | Stateful, kept: Any) -> None:
    import torch

    if isinstance(one, torch.Tensor):
        with torch.no_grad():
            one.copy_(kept)
    elif isinstance(one, torch.Generator):
        one.set_state(kept)
    else:
        one.load_state_dict(kept)
