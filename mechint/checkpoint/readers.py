"""Whether what reads files of torch.save is the libraries' own: who replaces it for itself replaces it for all.

The checks of a file say what these functions will make of it, and of no others.
"""

from __future__ import annotations

import importlib
from types import FunctionType

from mechint.errors import PluginError

__all__ = ["find_replaced_reader", "refuse_replaced_readers"]

_READERS = ("torch.load", "torch.serialization.load", "pickle.Unpickler", "pickletools.genops", "zipfile.ZipFile")


def refuse_replaced_readers() -> None:
    """Raise PluginError where a function or class that reads files of torch.save is not its library's own."""
    if found := find_replaced_reader():
        raise PluginError(
            f"{found}, so that no file of torch.save is opened with it\n"
            f"  hint: leave out the plugin or package that puts {found.rpartition(' ')[2]} there, or save the weights "
            "as safetensors, which are read without it"
        )


def find_replaced_reader() -> str:
    """Which of them is not its library's own, and what it is instead; empty where all are."""
    for reader in _READERS:
        module, _, name = reader.rpartition(".")
        library = module.partition(".")[0]
        for part in _with_methods(getattr(importlib.import_module(module), name)):
            home, called = _origin(part)
            if home.partition(".")[0].lstrip("_") != library:  # pickle.Unpickler is written in C, in _pickle
                return f"{reader} is not {library}'s own but {home}.{called}"
    return ""


def _with_methods(reader: object) -> list[object]:
    methods = vars(reader).values() if isinstance(reader, type) else ()
    return [reader, *(method for method in methods if isinstance(method, FunctionType))]


def _origin(value: object) -> tuple[str, str]:
    """The module that defines a function or class, and its name there; of any other value, those of its class."""
    if isinstance(value, FunctionType):  # functools.wraps gives it another's __module__, but not its globals
        return str(value.__globals__.get("__name__")), value.__code__.co_qualname
    kind = value if isinstance(value, type) else type(value)
    return kind.__module__, kind.__qualname__
