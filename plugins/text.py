"""Windows of text, tokenized by the checkpoint's own tokenizer or the one that the spec states for it.

Every document is tokenized whole, without special tokens, and cut into windows that lie end to end; none spans two
documents. What remains at a document's end is a shorter window, if it is half a window or more; a plain text file is
one running text, and has none. The model sees ``d[i : i + T]`` and is scored on ``d[i + 1 : i + 1 + T]`` at
every position. The task's seed draws which windows are taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mechint import hookimpl
from mechint.spec.options import OptionsModel
from mechint.task.windows import Counts, cut_windows, draw_windows, fit_window

if TYPE_CHECKING:
    from mechint.subject.subject import Subject
    from mechint.task.corpus import Corpus
    from mechint.task.metric import Metric
    from mechint.task.task import Task
    from mechint.task.windows import Windows

DEFAULT_WINDOW = 128


class Options(OptionsModel):
    """Windows of tokens from text files, JSON lines or datasets."""

    path: str
    """A text file, which is split in two, or a folder with train.txt and val.txt; a .jsonl file with a document a line,
    of which the last tenth is held out, or a folder with train.jsonl and val.jsonl; or a folder that Hugging Face's
    datasets saved, with the splits train and validation or test, or without splits. All in UTF-8."""
    field: str = "text"
    """The field of a JSON object or a dataset's row that holds the text."""
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
    from mechint.task.corpus import read_corpus
    from mechint.task.corpus_tokens import tokenize_corpus
    from mechint.task.task import Task

    shape, tokenizer = subject.shape, subject.tokenizer()
    window = fit_window(options.window, DEFAULT_WINDOW, shape)
    corpus = read_corpus(Path(options.path), options.field)
    rows = tokenize_corpus(corpus, tokenizer, shape.n_vocab, window)
    search, heldout = (cut_windows(row, window, remainders=not corpus.running) for row in rows)
    description = f"next token in {window}-token windows of {options.path}, tokenizer: {tokenizer.name}"
    return Task(
        search=draw_windows(search, options.examples.train, options.seed, shape, "train"),
        heldout=draw_windows(heldout, options.examples.validation, options.seed + 1, shape, "validation"),
        metric=metric,
        description=description + _left_out(corpus, search, heldout),
    )


def _left_out(corpus: Corpus, search: Windows, heldout: Windows) -> str:
    """What the examples hold nothing of, for the description."""
    short = f"; documents too short for a window: {search.barren} to search on, {heldout.barren} held out"
    repeated = f"; held-out documents left out since they are searched on: {corpus.repeated}"
    return (short if search.barren or heldout.barren else "") + (repeated if corpus.repeated else "")
