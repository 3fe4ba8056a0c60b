"""Windows of real text, as token ids in nanoGPT's ``.bin`` files.

A file is flat uint16 ids without a header. The model sees ``d[i : i + T]`` and is scored on ``d[i + 1 : i + 1 + T]`` at
every position. Windows start at multiples of T, so no two share a token; the task's seed draws which ones are taken.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mechint import hookimpl
from mechint.errors import CheckpointError, DataError
from mechint.files import read_bounded
from mechint.spec.options import OptionsModel
from mechint.task.windows import Counts, TokenRow, cut_windows, draw_windows, fit_window, split_row

if TYPE_CHECKING:
    from mechint.subject.subject import Subject
    from mechint.task.metric import Metric
    from mechint.task.task import Task

BYTES = "bytes"
"""What a tokenizer is called whose tokens are the bytes of UTF-8."""
LARGEST_FACTS = 1_000_000
"""Bytes of a data.json that is read."""


class Options(OptionsModel):
    """Windows of tokens from a file or folder."""

    path: str
    """A folder with train.bin and val.bin, or one .bin file that is split in two."""
    examples: Counts = Counts()
    window: Annotated[int, Field(ge=2)] | None = None
    """Tokens in a window; by default as many as the model can see."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Which windows are taken. Not the seed of the search: runs that differ in that are judged on the same examples."""


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_task(subject: Subject, options: Options, metric: Metric) -> Task:
    from mechint.task.task import Task

    path, shape = Path(options.path), subject.shape
    stated, own = _stated_tokenizer(path), _own_tokenizer(subject)
    _refuse_other_tokens(path, stated, own)
    window = fit_window(options.window, shape.context, shape)
    search, heldout = (cut_windows(row, window, remainders=False) for row in _read(path, window))
    task = Task(
        search=draw_windows(search, options.examples.train, options.seed, shape, "train"),
        heldout=draw_windows(heldout, options.examples.validation, options.seed + 1, shape, "validation"),
        metric=metric,
        description=f"next token in {window}-token windows of {options.path}",
    )
    return _with_bytes(task) if BYTES in (stated, own) else task


def _stated_tokenizer(path: Path) -> object:
    """The tokenizer that the data.json beside the data states; most data have none."""
    folder = path if path.is_dir() else path.parent
    try:
        return json.loads(read_bounded(folder / "data.json", LARGEST_FACTS))["tokenizer"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _own_tokenizer(subject: Subject) -> str | None:
    """The name of the checkpoint's tokenizer, if it is known."""
    try:
        return subject.tokenizer().name
    except CheckpointError:
        return None


def _refuse_other_tokens(path: Path, stated: object, own: str | None) -> None:
    if None not in (stated, own) and BYTES in (stated, own) and stated != own:
        raise DataError(
            f"{path}: its tokens are of the tokenizer {stated!r:.60}, and the checkpoint's is {own!r:.60}\n"
            "  hint: the task `text` tokenizes text for each checkpoint: task: {name: text, path: data/stdlib}"
        )


def _with_bytes(task: Task) -> Task:
    """The task with the bytes that its targets stand for: one each, but for ids that are no bytes."""
    search, heldout = (replace(part, n_bytes=(part.targets < 256).long()) for part in (task.search, task.heldout))
    return replace(task, search=search, heldout=heldout)


def _read(path: Path, window: int) -> tuple[TokenRow, TokenRow]:
    """Token ids to search on and to hold out: two files of a folder, or the first nine tenths of one and the rest."""
    if path.is_dir():
        return _read_bin(path / "train.bin"), _read_bin(path / "val.bin")
    return split_row(_read_bin(path), window)


def _read_bin(path: Path) -> TokenRow:
    import numpy as np

    if not path.is_file():
        raise DataError(f"{path}: no such file\n  hint: `mechint train` prepares data/stdlib; task.path names the data")
    if path.stat().st_size % 2:
        raise DataError(f"{path}: {path.stat().st_size} bytes is not a whole number of 16-bit token ids")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: is empty")
    return TokenRow.of(np.memmap(path, dtype="<u2", mode="r"))  # real data sets are larger than memory
