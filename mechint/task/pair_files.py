"""Files of prompts: which format a file is in, and all that is wrong with it, each with its place.

The files are data from anywhere: they are read within bounds, as UTF-8, and nothing in them is run.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from mechint.codes import Code
from mechint.errors import DataError, Fault
from mechint.task.autocircuit import read_autocircuit
from mechint.task.eap_ig import is_eap_ig, read_eap_ig
from mechint.task.pair_csv import columns_of, read_csv
from mechint.task.pair_jsonl import read_jsonl
from mechint.task.pair_rows import Row
from mechint.task.prompts import Prompt

__all__ = ["PairFormat", "read_pairs", "read_parts"]

PairFormat = Literal["auto", "jsonl", "csv", "eap_ig", "autocircuit"]

LARGEST_FILE = 1 << 28
"""Bytes; read whole, since a file of prompts is small beside a model."""
MOST_ROWS = 1_000_000
MOST_FAULTS = 10
"""Faults that an error lists."""
MOST_COUNTED = 1000
"""Faults after which a file is read no further."""

_READERS: Mapping[str, Callable[[str, str], Iterator[Row]]] = {
    "jsonl": read_jsonl,
    "csv": read_csv,
    "eap_ig": read_eap_ig,
    "autocircuit": read_autocircuit,
}


def read_pairs(path: Path, format_: PairFormat = "auto") -> list[Prompt]:
    """The prompts of a file, in its order. Raises DataError with what is wrong with it."""
    text = _decode(_read_bytes(path), path)
    kind = _recognise(path, text) if format_ == "auto" else format_
    prompts: list[Prompt] = []
    faults: list[Fault] = []
    for row in _find_strangers(_READERS[kind](text, str(path))):
        if isinstance(row, Fault):
            faults.append(row)
        else:
            prompts.append(row)
        if len(faults) == MOST_COUNTED or len(prompts) > MOST_ROWS:
            break
    if len(prompts) > MOST_ROWS:
        raise DataError(f"{path}: has more than {MOST_ROWS:,} prompts", code=Code.PROMPTS)
    if faults:
        raise DataError("\n".join(_list(faults)), code=Code.PROMPTS)
    if not prompts:
        raise DataError(f"{path}: holds no prompts", code=Code.PROMPTS)
    return prompts


def read_parts(folder: Path, format_: PairFormat = "auto") -> tuple[list[Prompt], list[Prompt]]:
    """The prompts of a folder: those of ``train.*``, and those of ``validation.*`` or ``val.*``.

    Raises DataError with what is wrong, and where a prompt stands in both.
    """
    train = read_pairs(_find_part(folder, "train"), format_)
    validation = read_pairs(_find_part(folder, "validation", "val"), format_)
    places = {prompt.clean: prompt.place for prompt in train}
    shared = [
        Fault(file=prompt.place, message=f"the clean prompt is that of {places[prompt.clean]}")
        for prompt in validation
        if prompt.clean in places
    ]
    if shared:
        raise DataError(
            "\n".join([*_list(shared), "  hint: what is judged on must not be searched on"]), code=Code.PROMPTS
        )
    if isinstance(train[0].clean, str) != isinstance(validation[0].clean, str):
        raise DataError(
            f"{folder}: the prompts of one part are text, and those of the other are token ids", code=Code.PROMPTS
        )
    return train, validation


def _read_bytes(path: Path) -> bytes:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise DataError(f"{path}: is no file", code=Code.PROMPTS)
        if found.st_size > LARGEST_FILE:
            raise DataError(
                f"{path}: has {found.st_size:,} bytes; a file of prompts may have {LARGEST_FILE:,}", code=Code.PROMPTS
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file; task.path names a file of prompts or a folder of them", code=Code.PROMPTS
        ) from None
    except (OSError, ValueError) as error:  # a ValueError where the name holds what no name can
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError | ValueError) -> DataError:
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    return DataError(f"{path}: cannot be read: {reason}", code=Code.PROMPTS)


def _decode(raw: bytes, path: Path) -> str:
    try:
        # A byte order mark says how the file is written and is no part of its text.
        text = raw.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}:{line}: is not UTF-8: {error.reason} at byte {error.start:,}; convert it to UTF-8",
            code=Code.PROMPTS,
        ) from None
    if (at := raw.find(b"\0")) >= 0:
        line = raw.count(b"\n", 0, at) + 1
        raise DataError(
            f"{path}:{line}: holds a NUL byte at byte {at:,}, which is no text; convert it to UTF-8", code=Code.PROMPTS
        )
    return text


def _recognise(path: Path, text: str) -> str:
    match path.suffix.lower():
        case ".jsonl":
            return "jsonl"
        case ".json":
            return "autocircuit"
        case ".csv":
            return "eap_ig" if is_eap_ig(columns_of(text)) else "csv"
    raise DataError(
        f"{path}: its name does not say which format it is in\n  hint: set task.format to {', '.join(_READERS)}",
        code=Code.PROMPTS,
    )


def _find_strangers(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, with a fault in the place of one that stands twice or is of another kind than the first."""
    places: dict[Prompt, str] = {}
    for row in rows:
        if isinstance(row, Fault):
            yield row
            continue
        bare, first = replace(row, place=""), next(iter(places), row)
        if bare in places:
            yield Fault(file=row.place, message=f"is the same as {places[bare]}; leave one of them out")
        elif isinstance(row.clean, str) != isinstance(first.clean, str):
            kinds = ("text", "token ids") if isinstance(row.clean, str) else ("token ids", "text")
            yield Fault(file=row.place, message=f"clean is {kinds[0]}, and that of {places[first]} is {kinds[1]}")
        else:
            places[bare] = row.place
            yield row


def _list(faults: list[Fault]) -> list[str]:
    """The first of the faults in words, and how many more there are."""
    more = len(faults) - MOST_FAULTS
    if more <= 0:
        return list(map(str, faults))
    rest = f"and {more:,} more" if len(faults) < MOST_COUNTED else f"and {more:,} more at least"
    return [*map(str, faults[:MOST_FAULTS]), rest]


def _find_part(folder: Path, *names: str) -> Path:
    """The one file of a folder that has one of these names, whatever its ending."""
    try:
        found = sorted(path for path in folder.iterdir() if path.stem in names and path.is_file())
    except OSError as error:
        raise _unreadable(folder, error) from None
    if len(found) == 1:
        return found[0]
    wanted = " or ".join(f"{name}.jsonl" for name in names)
    if not found:
        raise DataError(f"{folder}: holds no file {wanted}", code=Code.PROMPTS)
    raise DataError(
        f"{folder}: holds {' and '.join(path.name for path in found)}; expected one of them", code=Code.PROMPTS
    )
