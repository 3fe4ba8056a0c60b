"""Files, globs and folders become the paths of checkpoints, without opening any.

A checkpoint is a file of weights, or a folder with a ``config.json``, as Hugging Face's libraries save models.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from mechint.codes import Code
from mechint.errors import MechintError, NothingCollected, UsageError
from mechint.natural import natural_key

__all__ = ["MASKS", "WEIGHTS", "check_path", "expand", "find_files", "is_model_folder", "list_below"]

WEIGHTS = (".pt", ".pth", ".safetensors", ".gguf")
"""How the files that a folder stands for end."""
MASKS = "final_masks.pt"
"""The file that tells the folder of a finished analysis."""

_FINAL = "final_model_step*"
_MOST_ENTRIES = 200_000
_MOST_COMPARED = 10_000
_PART = re.compile(r"(.+)-\d{5}-of-(\d{5})\.(safetensors|bin|gguf)")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def find_files(pattern: str, *, final_first: bool = False) -> list[str]:
    """The checkpoints on disk that a file, a glob or a folder stands for, in natural order.

    A glob has ``*``, ``?``, ``[…]``, and ``**`` for any number of folders. Hidden entries only match patterns that
    begin with a dot, and links to folders are not followed by ``**``. A folder with a config.json is one checkpoint;
    another stands for the weights directly inside and its folders with a config.json. With ``final_first`` a folder
    stands for its ``final_model_step*`` alone, where it has any.

    Raises NothingCollected where nothing is found, and UsageError for what is no checkpoint.
    """
    check_path(pattern)
    path = os.path.expanduser(pattern)
    found = expand(path, shown=pattern, final_first=final_first)
    if not found:
        raise _nothing(pattern, path)
    return found


def check_path(text: str) -> None:
    """Raise UsageError for a text that no file can have for its path."""
    if not text or "\0" in text:
        raise UsageError(f"{text!r} is not a path", code=Code.UNUSABLE_PATH)


def expand(path: str, *, shown: str, below: str = "", final_first: bool = False) -> list[str]:
    """As ``find_files``, for a path below a folder, which may itself have brackets in its name; [] for no match.

    ``shown`` is what errors call it.
    """
    place = os.path.join(below, path) if below else path
    budget = iter(range(_MOST_ENTRIES))
    if os.path.isdir(place):
        matches = _list_folder(place, budget, final_first=final_first)
    elif os.path.lexists(place):
        matches = [place]
    else:
        try:
            matches = list(_match(below or ("/" if path.startswith("/") else ""), path.split("/"), budget))
        except RecursionError:
            raise UsageError(
                f"{shown[:100]!r} leads through too many folders; narrow it down", code=Code.UNUSABLE_PATH
            ) from None
    for match in matches:
        _refuse_strange(match, shown)
    return sorted(set(matches), key=natural_key)


def is_model_folder(path: str) -> bool:
    """Whether a folder is one checkpoint itself, as Hugging Face's libraries save it."""
    return os.path.isfile(os.path.join(path, "config.json"))


def list_below(folder: str) -> list[str]:
    """Every file of weights in a folder and the folders in it, for messages."""
    found = {path for path in _match(folder, ["**", "*"], iter(range(_MOST_ENTRIES))) if path.endswith(WEIGHTS)}
    return sorted(found, key=natural_key)


def _list_folder(folder: str, budget: Iterator[int], *, final_first: bool) -> list[str]:
    if os.path.lexists(os.path.join(folder, MASKS)):
        raise UsageError(
            f"{folder!r} holds a finished analysis ({MASKS}), not checkpoints\n"
            f"  hint: mechint-run --from-runs {folder} draws it again; for another analysis name the checkpoints",
            code=Code.UNUSABLE_PATH,
        )
    entries = [entry for entry in _entries(folder, budget) if not entry.name.startswith(".")]
    if final_first:
        final = [entry for entry in entries if fnmatchcase(entry.name, _FINAL)]
        if found := _checkpoints(final):
            return found
    if is_model_folder(folder):
        return [_with_name(folder)]
    return _checkpoints(entries)


def _checkpoints(entries: Sequence[os.DirEntry[str]]) -> list[str]:
    return [entry.path for entry in entries if entry.name.endswith(WEIGHTS) or is_model_folder(entry.path)]


def _with_name(folder: str) -> str:
    """The folder's path with its name at the end, which labels are made of, even for ``.``."""
    path = folder.rstrip("/")
    return os.path.realpath(folder) if os.path.basename(path) in ("", ".", "..") else path


def _match(folder: str, parts: Sequence[str], budget: Iterator[int]) -> Iterator[str]:
    """Paths below ``folder`` (with ``""`` for the working directory) that fit the parts of a glob, one part a level."""
    part, rest = parts[0], parts[1:]
    if part in ("", "."):
        if rest:
            yield from _match(folder, rest, budget)
        elif os.path.isdir(folder):
            yield folder
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
        raise UsageError(
            f"{folder!r} cannot be listed: {(error.strerror or str(error)).lower()}", code=Code.UNUSABLE_PATH
        ) from None
    if next(budget, None) is None:
        raise UsageError(
            f"looked at {_MOST_ENTRIES:,} files and folders without an end; name a narrower folder",
            code=Code.UNUSABLE_PATH,
        )
    return listed


def _refuse_strange(path: str, pattern: str) -> None:
    """Raise UsageError for what is neither a file nor the folder of a model, and for a part of a model."""
    through = "" if path == pattern else f", which {pattern!r} matches,"
    try:
        mode = os.stat(path).st_mode
    except OSError:
        kind = "a broken link" if os.path.islink(path) else "gone or not readable"
    else:
        if stat.S_ISREG(mode):
            return _refuse_part(path, through)
        if is_model_folder(path):
            return None
        kind = "a folder without a config.json" if stat.S_ISDIR(mode) else "a pipe, socket or device"
    raise UsageError(
        f"{path!r}{through} is {kind}, not a checkpoint; name files, such as {'runs/*.pt'!r}, or folders with a "
        "config.json",
        code=Code.UNUSABLE_PATH,
    )


def _refuse_part(path: str, through: str) -> None:
    folder, name = os.path.split(path)
    part = _PART.fullmatch(name)
    if part is None:
        return
    if part[3] == "gguf":
        remedy = "join the parts into one file"
    elif is_model_folder(folder):
        remedy = f"name its folder: {folder or '.'!r}"
    else:
        remedy = "put the model's config.json beside its parts and name their folder"
    raise UsageError(
        f"{path!r}{through} is one of the {int(part[2])} parts of a model; {remedy}", code=Code.UNUSABLE_PATH
    )


def _nothing(pattern: str, path: str) -> MechintError:
    """The error for a pattern without a match, with what lies nearest to it."""
    missed = f"no checkpoint matches {pattern!r} in {os.getcwd()}"
    folder = path
    while folder and not os.path.isdir(folder):
        folder, name = os.path.split(folder)
        if not folder or os.path.isdir(folder):
            return NothingCollected(f"{missed}{_nearest(folder, name)}{_hub_hint(pattern, folder)}")
    kinds = ", ".join(f"*{suffix}" for suffix in WEIGHTS)
    return NothingCollected(f"{missed}: the folder has no {kinds} and no folder with a config.json")


def _nearest(folder: str, name: str) -> str:
    try:
        there = sorted((entry for entry in os.listdir(folder or ".") if not entry.startswith(".")), key=natural_key)
    except OSError:
        return ""
    near = difflib.get_close_matches(name, there[:_MOST_COMPARED], n=3, cutoff=0.5)
    if near:
        return "; there is " + ", ".join(repr(os.path.join(folder, entry)) for entry in near)
    checkpoints = [entry for entry in there if entry.endswith(WEIGHTS)][:3]
    if checkpoints:
        return f"; {folder or 'this folder'} has " + ", ".join(map(repr, checkpoints))
    return f"; {folder} has no {name!r}" if folder else ""


def _hub_hint(pattern: str, folder: str) -> str:
    """What to write for a model of the Hub, where the pattern looks like the name of one."""
    if folder or not _REPOSITORY.fullmatch(pattern) or pattern.endswith(WEIGHTS):
        return ""
    return f"\n  hint: for a model in the cache of the Hugging Face Hub write hf:{pattern}@revision"
