"""Which names are fit for files, terminals and reports."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import PurePosixPath

from mechint.spec.scalars import quote

__all__ = ["LONGEST_NAME", "RESERVED_FOLDERS", "checked_name", "checked_output_dir", "is_reserved"]

LONGEST_NAME = 200
RESERVED_FOLDERS = frozenset({"comparison"})
"""What stands beside the items' folders in an ``output_dir``, and so names no item."""

_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def is_reserved(name: str) -> bool:
    """Whether Windows keeps the name for a device, as it does ``CON`` and ``nul.txt``."""
    return _DEVICES.fullmatch(name) is not None


def checked_name(text: str) -> str:
    """The text if it can name a spec: one visible line, no path, no device; else ValueError says why."""
    _check_text(text)
    if re.search(r"[/\\]", text) or text in (".", ".."):
        raise ValueError(f"{quote(text)} is a path, not a name; leave out '/', '\\' and '..'")
    if is_reserved(text):
        raise ValueError(f"{quote(text)} is the name of a device on Windows; choose another")
    return text


def checked_output_dir(text: str, *, trusted: bool) -> str:
    """The text if it can be a folder for results; else ValueError says why.

    A spec may come from a stranger: it names a folder below the working directory. The command line is trusted with
    an absolute path too, but for the root, the home folder and those around it.
    """
    _check_text(text)
    path = PurePosixPath(re.sub(r"[/\\]+", "/", text))
    if ".." in path.parts:
        raise ValueError(f"{quote(text)} leaves its folder with '..'")
    if text.startswith("~"):
        raise ValueError(f"{quote(text)} begins with '~', which is not expanded; write the folder out")
    if not path.parts:
        raise ValueError(f"{quote(text)} is the working directory itself; name a folder below it")
    if device := next((part for part in path.parts if is_reserved(part)), None):
        raise ValueError(f"{quote(device)} is the name of a device on Windows; choose another")
    home = PurePosixPath(os.path.expanduser("~"))
    if path == home or path in home.parents:
        raise ValueError(f"{quote(text)} is not a folder for results alone; name one below it")
    if not trusted and (path.is_absolute() or re.match("[A-Za-z]:", text)):
        raise ValueError(f"{quote(text)} is absolute; a spec writes below the working directory")
    return text


def _check_text(text: str) -> None:
    if not text.strip():
        raise ValueError("it must not be empty")
    if text != text.strip():
        raise ValueError(f"{quote(text)} begins or ends with a space")
    if len(text) > LONGEST_NAME:
        raise ValueError(f"{quote(text)} is longer than {LONGEST_NAME} characters")
    for char in text:
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
            raise ValueError(f"{quote(text)} holds the invisible character U+{ord(char):04X}")
