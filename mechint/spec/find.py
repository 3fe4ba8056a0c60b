"""Which specs a command line names: files, and folders with everything in them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from mechint.codes import Code
from mechint.errors import NothingCollected
from mechint.natural import natural_key
from mechint.spec.scalars import quote

__all__ = ["find_specs"]

SUFFIXES = (".yaml", ".yml")


def find_specs(paths: Sequence[str]) -> list[str]:
    """The specs that paths stand for, each once: a file for itself, a folder for all YAML files at any depth below it.

    A folder's specs come in natural order; hidden files and folders are left out, links to folders not followed, and
    files that begin with ``_`` are there to be included.
    Raises NothingCollected for a folder without a spec.
    """
    return list(dict.fromkeys(spec for path in paths for spec in _expand(path)))


def _expand(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    specs = sorted(_specs_below(path), key=natural_key)
    if not specs:
        raise NothingCollected(
            f"no spec is in the folder {quote(path)}\n  hint: specs end in {' or '.join(SUFFIXES)}", code=Code.NO_SPEC
        )
    return specs


def _specs_below(folder: str) -> Iterator[str]:
    for at, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.endswith(SUFFIXES) and not name.startswith((".", "_")):
                yield os.path.join(at, name)
