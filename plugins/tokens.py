"""Windows of real text, as token ids in nanoGPT's ``.bin`` files.

A file is flat uint16 ids without a header. The model sees ``d[i : i + T]`` and is scored on ``d[i + 1 : i + 1 + T]`` at
every position. Windows start at multiples of T, so no two share a token; the task's seed draws which ones are taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mechint import hookimpl
from mechint.errors import DataError
from mechint.spec.options import OptionsModel

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mechint.subject.subject import Subject
    from mechint.task.examples import Examples
    from mechint.task.metric import Metric
    from mechint.task.task import Task


class Counts(OptionsModel):
    """How many windows."""

    train: Annotated[int, Field(ge=2)] = 512
    """Search examples."""
    validation: Annotated[int, Field(ge=2)] = 128
    """Held-out examples; faithfulness is measured on these alone."""


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

    window = _window(options, subject)
    search_ids, heldout_ids = _read(Path(options.path), window)
    search = _draw(search_ids, options.examples.train, window, options.seed, subject, "train")
    heldout = _draw(heldout_ids, options.examples.validation, window, options.seed + 1, subject, "validation")
    description = f"next token in {window}-token windows of {options.path}"
    return Task(search=search, heldout=heldout, metric=metric, description=description)


def _window(options: Options, subject: Subject) -> int:
    window = options.window or subject.shape.context
    if window > subject.shape.context:
        raise DataError(f"task.window is {window}, but the model sees at most {subject.shape.context} tokens")
    return window


def _read(path: Path, window: int) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    """Token ids to search on and to hold out: two files of a folder, or the first nine tenths of one and the rest."""
    if path.is_dir():
        return _read_bin(path / "train.bin"), _read_bin(path / "val.bin")
    ids = _read_bin(path)
    cut = len(ids) * 9 // 10 // window * window
    return ids[:cut], ids[cut:]


def _read_bin(path: Path) -> npt.NDArray[np.uint16]:
    import numpy as np

    if not path.is_file():
        raise DataError(f"{path}: no such file\n  hint: `mechint train` prepares data/stdlib; task.path names the data")
    if path.stat().st_size % 2:
        raise DataError(f"{path}: {path.stat().st_size} bytes is not a whole number of 16-bit token ids")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: is empty")
    return np.memmap(path, dtype="<u2", mode="r")  # real data sets are larger than memory


def _draw(ids: npt.NDArray[np.uint16], count: int, window: int, seed: int, subject: Subject, part: str) -> Examples:
    """Take ``count`` of the windows that lie end to end in ``ids``: tokens and targets ``[count window]``."""
    import numpy as np
    import torch

    from mechint.task.examples import Examples

    available = max((len(ids) - 1) // window, 0)
    if available < count:
        raise DataError(
            f"task.examples.{part} asks for {count} windows of {window} tokens; the data has {available}\n"
            f"  hint: ask for fewer, or set a smaller task.window"
        )
    order = torch.randperm(available, generator=torch.Generator().manual_seed(seed))[:count]
    starts = order.numpy()[:, None] * window
    rows = ids[starts + np.arange(window + 1)].astype(np.int64)  # [count window + 1]
    largest = int(rows.max())
    if largest >= subject.shape.n_vocab:
        raise DataError(
            f"the data holds token id {largest}, but the model's vocabulary has {subject.shape.n_vocab} ids\n"
            f"  hint: data and checkpoint must have been made with the same tokenizer"
        )
    tokens = torch.from_numpy(rows)
    return Examples(tokens=tokens[:, :-1].contiguous(), targets=tokens[:, 1:].contiguous())
