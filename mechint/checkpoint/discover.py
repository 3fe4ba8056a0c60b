"""Finding checkpoints: files, globs and folders become a list of paths, without opening any."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from mechint.errors import MechintError, NothingCollected, UsageError
from mechint.natural import natural_key

__all__ = ["find_checkpoints", "find_models"]

_MOST_FILES = 10_000
_MOST_ENTRIES = 200_000


def find_checkpoints(patterns: Sequence[str]) -> tuple[str, ...]:
    """The checkpoints that a spec's ``checkpoints`` names, each once, in natural order within each pattern.

    A pattern is a file, a glob (``*``, ``?``, ``[…]``, and ``**`` for any number of folders) or a folder, which stands
    for every ``*.pt`` directly inside. Hidden entries only match patterns that begin with a dot, and links to folders
    are not followed by ``**``.

    Raises NothingCollected for a pattern without a match, and UsageError for one that matches something other than
    files, more than 10 000 of them, or a finished analysis.
    """
    return _find(patterns, folder_globs=("*.pt",))


def find_models(path: str) -> tuple[str, ...]:
    """The checkpoints that ``MODELS=`` or ``--models`` names.

    As for ``find_checkpoints``, but a folder stands for its ``final_model_step*.pt``, and only where it has none for
    every ``*.pt``.
    """
    return _find([path], folder_globs=("final_model_step*.pt", "*.pt"))


def _find(patterns: Sequence[str], folder_globs: Sequence[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for pattern in patterns:
        for path in _expand(pattern, folder_globs):
            found.setdefault(os.path.realpath(path), path)
            if len(found) > _MOST_FILES:
                raise UsageError(f"{pattern!r} matches more than {_MOST_FILES:,} files; narrow it down")
    return tuple(found.values())


def _expand(pattern: str, folder_globs: Sequence[str]) -> list[str]:
    if not pattern or "\0" in pattern:
        raise UsageError(f"{pattern!r} is not a path")
    path = os.path.expanduser(pattern)
    budget = iter(range(_MOST_ENTRIES))
    if os.path.isdir(path):
        matches = _list_folder(path, folder_globs, budget)
    elif os.path.lexists(path):
        matches = [path]
    else:
        try:
            matches = list(_match("/" if path.startswith("/") else "", path.split("/"), budget))
        except RecursionError:
            raise UsageError(f"{pattern[:100]!r} leads through too many folders; narrow it down") from None
    if not matches:
        raise _nothing(pattern, path)
    for match in matches:
        _refuse_strange(match, pattern)
    return sorted(set(matches), key=natural_key)


def _list_folder(folder: str, globs: Sequence[str], budget: Iterator[int]) -> list[str]:
    if os.path.lexists(os.path.join(folder, "final_masks.pt")):
        raise UsageError(
            f"{folder!r} holds a finished analysis (final_masks.pt), not checkpoints; drawing one again without its "
            "model is not possible yet, so name the folder of the checkpoints"
        )
    for glob in globs:
        if matches := list(_match(folder, [glob], budget)):
            return matches
    return []


def _match(folder: str, parts: Sequence[str], budget: Iterator[int]) -> Iterator[str]:
    """Paths below ``folder`` (with ``""`` for the working directory) that fit the parts of a glob, one part a level."""
    part, rest = parts[0], parts[1:]
    if part in ("", "."):
        if rest:
            yield from _match(folder, rest, budget)
    elif part == "**":
        yield from _match(folder, rest or ["*"], budget)
        for entry in _entries(folder, budget):
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                yield from _match(os.path.join(folder, entry.name), parts, budget)
    elif any(character in part for character in "*?["):
        for entry in _entries(folder, budget):
            if _fits(entry.name, part) and (not rest or entry.is_dir()):
                yield from _descend(os.path.join(folder, entry.name), rest, budget)
    else:
        yield from _descend(os.path.join(folder, part), rest, budget)


def _descend(path: str, rest: Sequence[str], budget: Iterator[int]) -> Iterator[str]:
    if rest:
        yield from _match(path, rest, budget)
    elif os.path.lexists(path):
        yield path


def _fits(name: str, part: str) -> bool:
    return fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))


def _entries(folder: str, budget: Iterator[int]) -> list[os.DirEntry[str]]:
    """What a folder holds; nothing where there is no such folder."""
    try:
        with os.scandir(folder or ".") as entries:
            listed = [entry for entry, _ in zip(entries, budget, strict=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UsageError(f"{folder!r} cannot be listed: {(error.strerror or str(error)).lower()}") from None
    if next(budget, None) is None:
        raise UsageError(f"looked at {_MOST_ENTRIES:,} files and folders without an end; name a narrower folder")
    return listed


def _refuse_strange(path: str, pattern: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        kind = "a broken link" if os.path.islink(path) else "gone or not readable"
    else:
        if stat.S_ISREG(mode):
            return
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
    through = "" if path == pattern else f", which {pattern!r} matches,"
    raise UsageError(f"{path!r}{through} is {kind}, not a checkpoint file; name files, such as {'runs/*.pt'!r}")


def _nothing(pattern: str, path: str) -> MechintError:
    """The error for a pattern without a match, with what lies nearest to it."""
    folder = path
    while folder and not os.path.isdir(folder):
        folder, name = os.path.split(folder)
        if not folder or os.path.isdir(folder):
            return NothingCollected(f"no checkpoint matches {pattern!r} in {os.getcwd()}{_nearest(folder, name)}")
    return NothingCollected(f"no checkpoint matches {pattern!r} in {os.getcwd()}: the folder has no '*.pt'")


def _nearest(folder: str, name: str) -> str:
    try:
        there = sorted((entry for entry in os.listdir(folder or ".") if not entry.startswith(".")), key=natural_key)
    except OSError:
        return ""
    near = difflib.get_close_matches(name, there[:_MOST_FILES], n=3, cutoff=0.5)
    if near:
        return "; there is " + ", ".join(repr(os.path.join(folder, entry)) for entry in near)
    checkpoints = [entry for entry in there if entry.endswith(".pt")][:3]
    if checkpoints:
        return f"; {folder or 'it'} has " + ", ".join(map(repr, checkpoints))
    return f"; {folder} has no {name!r}" if folder else ""
