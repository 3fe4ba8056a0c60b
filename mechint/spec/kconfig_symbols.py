"""Reading a Kconfig configuration: ``CONFIG_NAME=value`` and ``# CONFIG_NAME is not set``, a symbol a line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mechint.errors import Fault
from mechint.spec.scalars import quote

__all__ = ["RefusedValueError", "Symbol", "Symbols", "read_symbols"]

_SET = re.compile(r'CONFIG_(?P<name>[A-Za-z0-9_]+)=(?P<value>"(?:[^"\\]|\\.)*"|[^\s"#]*)\s*(?:#.*)?')
_UNSET = re.compile(r"#\s*CONFIG_(?P<name>[A-Za-z0-9_]+) is not set\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """One line of a configuration."""

    name: str
    """Without CONFIG_."""
    value: str
    """Without its quotes; ``n`` where it is not set."""
    line: int

    @property
    def stated(self) -> str:
        return f"CONFIG_{self.name}"

    @property
    def on(self) -> bool:
        """Whether a yes-or-no symbol says yes; RefusedValueError where it says neither."""
        if self.value not in ("y", "n"):
            raise RefusedValueError(self, f"{quote(self.value)} is neither y nor n")
        return self.value == "y"


Symbols = Mapping[str, Symbol]
"""By name."""


class RefusedValueError(ValueError):
    """A symbol has a value that has no place in a spec."""

    def __init__(self, symbol: Symbol, why: str) -> None:
        super().__init__(why)
        self.symbol = symbol


def read_symbols(text: str, path: str) -> tuple[dict[str, Symbol], list[Fault]]:
    """Every symbol, and a fault for each line that is none and each symbol that is set to two values."""
    symbols: dict[str, Symbol] = {}
    faults = []
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        match = _SET.fullmatch(line) or _UNSET.fullmatch(line)
        if match is None:
            if line and not line.startswith("#"):
                faults.append(Fault(file=path, line=number, message=f"not a line of Kconfig: {quote(line)}"))
            continue
        symbol = Symbol(name=match["name"], value=_unquoted(match.groupdict().get("value", "n")), line=number)
        before = symbols.setdefault(symbol.name, symbol)
        if before.value != symbol.value:
            message = f"{symbol.stated} is {quote(symbol.value)} here and {quote(before.value)} in line {before.line}"
            faults.append(Fault(file=path, line=number, message=message))
    return symbols, faults


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
