"""Windows of real text, as token ids in nanoGPT's ``.bin`` files.

A file is flat uint16 ids without a header. The model sees ``d[i : i + T]`` and is scored on ``d[i + 1 : i + 1 + T]`` at
every position. Windows start at multiples of T, so no two share a token; the task's seed draws which ones are taken.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mechint import hookimpl
from mechint.errors import CheckpointError, DataError
from mechint.spec.options import OptionsModel
from mechint.task.windows import Counts, draw_windows, fit_window, split_ids

if TYPE_CHECKING:
    from mechint.subject.subject import Subject
    from mechint.task.metric import Metric
    from mechint.task.task import Task
    from mechint.task.windows import Ids


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

    _refuse_other_tokens(Path(options.path), subject)
    shape = subject.shape
    window = fit_window(options.window, shape.context, shape)
    search_ids, heldout_ids = _read(Path(options.path), window)
    search = draw_windows(search_ids, options.examples.train, window, options.seed, shape, "train")
    heldout = draw_windows(heldout_ids, options.examples.validation, window, options.seed + 1, shape, "validation")
    description = f"next token in {window}-token windows of {options.path}"
    return Task(search=search, heldout=heldout, metric=metric, description=description)


def _refuse_other_tokens(path: Path, subject: Subject) -> None:
    """Refuse data whose data.json states another tokenizer than the checkpoint has; most data state none."""
    try:
        stated = json.loads((path / "data.json").read_text())["tokenizer"]
        own = subject.tokenizer().name
    except (OSError, ValueError, LookupError, TypeError, CheckpointError):
        return  # one of the two is not known
    if "bytes" in (stated, own) and stated != own:
        raise DataError(
            f"{path}: its tokens are of the tokenizer {stated!r:.60}, and the checkpoint's is {own!r:.60}\n"
            "  hint: the task `text` tokenizes text for each checkpoint: task: {name: text, path: data/stdlib}"
        )


def _read(path: Path, window: int) -> tuple[Ids, Ids]:
    """Token ids to search on and to hold out: two files of a folder, or the first nine tenths of one and the rest."""
    if path.is_dir():
        return _read_bin(path / "train.bin"), _read_bin(path / "val.bin")
    return split_ids(_read_bin(path), window)


def _read_bin(path: Path) -> Ids:
    import numpy as np

    if not path.is_file():
        raise DataError(f"{path}: no such file\n  hint: `mechint train` prepares data/stdlib; task.path names the data")
    if path.stat().st_size % 2:
        raise DataError(f"{path}: {path.stat().st_size} bytes is not a whole number of 16-bit token ids")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: is empty")
    return np.memmap(path, dtype="<u2", mode="r")  # real data sets are larger than memory
