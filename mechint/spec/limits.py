"""What one item may take before it is stopped."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator

from mechint.spec.options import OptionsModel

__all__ = ["Limits"]

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_BYTES = {"MB": 10**6, "MiB": 2**20, "GB": 10**9, "GiB": 2**30}
_AMOUNT = r"^[0-9]{1,6}(\.[0-9]{1,3})? ?"

_Time = Annotated[str, Field(pattern=f"{_AMOUNT}({'|'.join(_SECONDS)})$", examples=["90s", "30m", "2h"])]
_Memory = Annotated[str, Field(pattern=f"{_AMOUNT}({'|'.join(_BYTES)})$", examples=["800MiB", "8GiB"])]


class Limits(OptionsModel):
    """What one item may take. An item that takes more fails alone, and the others go on."""

    time: _Time | None = None
    """From the loading of the checkpoint to the last measurement: 90s, 30m, 2h."""
    memory: _Memory | None = None
    """What its process may hold as data, beside the files it maps: 800MiB, 8GiB. On Linux."""

    @field_validator("time", "memory")
    @classmethod
    def _leaves_something(cls, limit: str | None) -> str | None:
        if limit is not None and not _number(limit):
            raise ValueError("a limit of 0 leaves nothing to run in; leave it out for no limit")
        return limit

    @property
    def seconds(self) -> float | None:
        return None if self.time is None else _number(self.time) * _SECONDS[_unit(self.time)]

    @property
    def bytes(self) -> int | None:
        return None if self.memory is None else int(_number(self.memory) * _BYTES[_unit(self.memory)])


def _number(amount: str) -> float:
    return float(amount.rstrip("smhMGiB "))


def _unit(amount: str) -> str:
    return re.sub(r"[0-9. ]", "", amount)
