"""Reading a pickle that names more than weights, with stand-ins in place of what it names.

Trainers save whole models, their configuration as an object of their own, paths and the states of random generators.
A pickle names such things, and loading it calls them. Here it gets a stand-in for each, which takes any arguments and
any state and does nothing; what is left are dictionaries, plain values and dense tensors.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Self

import torch

from mechint.checkpoint.opened import OpenedFile
from mechint.checkpoint.pickled import SAFE_GLOBALS

__all__ = ["StandIn", "load_with_stand_ins"]

_ITSELF: Mapping[str, object] = {"collections OrderedDict": OrderedDict, "__builtin__ set": set}


class StandIn:
    """An object of a class that was never imported, and what the pickle put in it."""

    entries: dict[object, object]
    """Its attributes, or its items where it is a dictionary of some kind."""
    nameless: int
    """How many attributes the pickle has without their names, as of a frozen dataclass with slots."""

    def __new__(cls, *_: object, **__: object) -> Self:
        made = super().__new__(cls)
        made.entries, made.nameless = {}, 0
        return made

    def __call__(self, *_: object) -> StandIn:
        return StandIn()

    def __setitem__(self, key: object, value: object) -> None:
        self.entries[key] = value

    def __setstate__(self, state: object) -> None:
        # An object with __slots__ has a pair: its attributes, and those in slots.
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.entries |= part
            elif isinstance(part, list):
                self.nameless = len(part)

    def append(self, _: object) -> None:
        """Lists of their own kind hold nothing that is wanted."""

    def extend(self, _: object) -> None:
        """As ``append``."""


def load_with_stand_ins(file: OpenedFile) -> tuple[object, tuple[str, ...]]:
    """What a file of torch.save holds, and the names of what stands in for something, in order.

    The archive must have been checked. Raises whatever torch and pickle raise for damaged content.
    """
    named: dict[str, None] = {}

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (known := _known(f"{module} {name}")) is not None:
                return known
            named[f"{module}.{name}"] = None
            return type(name, (StandIn,), {})

    stands_in = SimpleNamespace(__name__="stand_ins", Unpickler=Unpickler)
    content = torch.load(file.stream, map_location="cpu", pickle_module=stands_in, weights_only=False)
    return content, tuple(named)


def _known(name: str) -> object:
    """What dense tensors and plain values are made with; None for anything else.

    A pickle can set attributes of what it is given, so functions are wrapped anew each time.
    """
    if name not in SAFE_GLOBALS or name == "argparse Namespace":
        return None
    module, _, attribute = name.partition(" ")
    if module == "torch._utils":
        return _wrapped(getattr(torch._utils, attribute))
    return _ITSELF.get(name) or getattr(torch, attribute)


def _wrapped(function: Callable[..., object]) -> Callable[..., object]:
    return lambda *arguments: function(*arguments)
