"""Windows of plain text, tokenized by the checkpoint's own tokenizer or the one that the spec states for it.

The text is tokenized whole, without special tokens, and cut into windows that lie end to end. The model sees
``d[i : i + T]`` and is scored on ``d[i + 1 : i + 1 + T]`` at every position. The task's seed draws which windows are
taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mechint import hookimpl
from mechint.errors import DataError
from mechint.spec.options import OptionsModel
from mechint.task.windows import Counts, draw_windows, fit_window, split_ids

if TYPE_CHECKING:
    from mechint.subject.subject import Subject
    from mechint.subject.tokenizer import Tokenizer
    from mechint.task.metric import Metric
    from mechint.task.task import Task
    from mechint.task.windows import Ids

DEFAULT_WINDOW = 128


class Options(OptionsModel):
    """Windows of tokens from a text file or folder."""

    path: str
    """A folder with train.txt and val.txt, or one text file that is split in two; UTF-8."""
    examples: Counts = Counts()
    window: Annotated[int, Field(ge=2)] | None = None
    """Tokens in a window; by default 128, or as many as the model can see where those are fewer."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Which windows are taken. Not the seed of the search: runs that differ in that are judged on the same examples."""


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_task(subject: Subject, options: Options, metric: Metric) -> Task:
    from mechint.task.task import Task

    shape, tokenizer = subject.shape, subject.tokenizer()
    window = fit_window(options.window, DEFAULT_WINDOW, shape)
    search_ids, heldout_ids = _read(Path(options.path), tokenizer, window)
    search = draw_windows(search_ids, options.examples.train, window, options.seed, shape, "train")
    heldout = draw_windows(heldout_ids, options.examples.validation, window, options.seed + 1, shape, "validation")
    description = f"next token in {window}-token windows of {options.path}, tokenizer: {tokenizer.name}"
    return Task(search=search, heldout=heldout, metric=metric, description=description)


def _read(path: Path, tokenizer: Tokenizer, window: int) -> tuple[Ids, Ids]:
    """Token ids to search on and to hold out: two files of a folder, or the first nine tenths of one and the rest."""
    if path.is_dir():
        return _tokenize(path / "train.txt", tokenizer), _tokenize(path / "val.txt", tokenizer)
    return split_ids(_tokenize(path, tokenizer), window)


def _tokenize(path: Path, tokenizer: Tokenizer) -> Ids:
    import numpy as np

    return np.array(tokenizer.encode(_read_text(path)), dtype=np.int64)


def _read_text(path: Path) -> str:
    try:
        # A byte order mark says how the file is written and is no part of its text.
        text = path.read_bytes().decode("utf-8").removeprefix("\ufeff")
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file\n  hint: `mechint train --data-only` prepares data/stdlib; task.path names the text"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8: {error.reason} at byte {error.start:,}; convert it to UTF-8") from None
    if not text:
        raise DataError(f"{path}: is empty")
    return text
