"""Pickles that run code, drawn at random from the ways that the format has of naming and calling a function."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path

__all__ = ["random_payload"]


def random_payload(draw: random.Random, canary: Path) -> bytes:
    """A pickle that makes the file ``canary`` when Python itself loads it."""
    module, name, text = draw.choice(
        [
            ("os", "system", f"touch {canary}"),
            ("posix", "system", f"touch {canary}"),
            ("subprocess", "getoutput", f"touch {canary}"),
            ("builtins", "eval", f"open({str(canary)!r}, 'w').close()"),
            ("builtins", "exec", f"open({str(canary)!r}, 'w').close()"),
            ("pathlib", "Path.touch", ""),
        ]
    )
    if name == "Path.touch":
        argument = _global(draw, "pathlib", "Path") + _text(draw, str(canary)) + b"\x85R"
        called = b"\x8c\x07pathlib" + b"\x8c\x0aPath.touch" + b"\x93" + argument + b"\x85R"
    else:
        called = draw.choice(_CALLS)(draw, module, name, _text(draw, text))
    wrapped = draw.choice(_PLACES)(draw, called)
    return b"\x80" + bytes([draw.choice([4, 5])]) + _noise(draw) + wrapped + b"."


def _text(draw: random.Random, text: str) -> bytes:
    raw = text.encode()
    forms = [b"X" + struct.pack("<I", len(raw)) + raw, b"V" + raw + b"\n", b"\x8d" + struct.pack("<Q", len(raw)) + raw]
    return draw.choice(forms)


def _global(draw: random.Random, module: str, name: str) -> bytes:
    """The function itself, on top of the stack."""
    plain = f"c{module}\n{name}\n".encode()
    stacked = _text(draw, module) + _text(draw, name) + b"\x93"
    # The name goes through the memo, past something that is thrown away.
    memo = draw.randrange(40, 250)
    put, get = b"q" + bytes([memo]), b"h" + bytes([memo])
    hidden = _text(draw, name) + put + b"0" + _text(draw, module) + _noise(draw) + get + b"\x93"
    return draw.choice([plain, stacked, hidden])


def _noise(draw: random.Random) -> bytes:
    """Instructions that leave the stack as it was."""
    forms = [b"", b"N0", b"]0", b"}q\x070", b"K\x05200", b"(lq\x090", b"\x89\x8800"]
    return b"".join(draw.choice(forms) for _ in range(draw.randrange(4)))


_CALLS: list[Callable[[random.Random, str, str, bytes], bytes]] = [
    lambda draw, module, name, text: _global(draw, module, name) + text + b"\x85R",
    lambda draw, module, name, text: _global(draw, module, name) + b"(" + text + b"tR",
    lambda draw, module, name, text: b"(" + _global(draw, module, name) + text + b"o",
    lambda draw, module, name, text: b"(" + text + f"i{module}\n{name}\n".encode(),
    lambda draw, module, name, text: (
        b"cargparse\nNamespace\n)\x81}\x8c\x0c__setstate__" + _global(draw, module, name) + b"sb" + text + b"b"
    ),
]  # fmt: skip
"""REDUCE with either tuple, OBJ, INST, and BUILD through a ``__setstate__`` that the pickle itself puts in place."""

_PLACES: list[Callable[[random.Random, bytes], bytes]] = [
    lambda draw, called: called,
    lambda draw, called: b"}" + _noise(draw) + b"\x8c\x05model" + called + b"s",
    lambda draw, called: b"](" + called + b"e",
    lambda draw, called: called + b"0}",
    lambda draw, called: b"ccollections\nOrderedDict\n)R\x8c\x01a" + called + b"s",
    lambda draw, called: b"}\x8c\x06config}" + b"\x8c\x01x" + called + b"ss",
]  # fmt: skip
