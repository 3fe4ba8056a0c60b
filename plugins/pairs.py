"""Prompts from a file, with the answers that may follow them and, where it has them, corrupted prompts beside them.

Rows come from JSON lines, CSV, EAP-IG's CSV or AutoCircuit's JSON; ``docs/tasks.md`` says what a row may hold. A file
is split in two by the task's seed, so that no clean prompt is both searched and judged on. An answer is scored right
after its prompt.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mechint import hookimpl
from mechint.spec.options import OptionsModel
from mechint.task.pair_files import PairFormat, read_pairs, read_parts
from mechint.task.pair_split import RowCounts, split_rows, take_rows
from mechint.task.prompts import AnswerRule, Prompt, PromptOptions

if TYPE_CHECKING:
    from mechint.subject.subject import Subject
    from mechint.task.metric import Metric
    from mechint.task.task import Task


class Options(PromptOptions):
    """Prompts with answers from a file or folder."""

    path: str
    """A file of prompts that is split in two, or a folder with a file train.* and a file validation.* or val.*."""
    format: PairFormat = "auto"
    """How the rows are written; by default what the file's ending and its columns say."""
    answers: AnswerRule = "single_token"
    """What an answer of several tokens is: an error, scored by its first token alone, or scored as a whole."""
    aligned: bool = True
    """Refuse corrupted prompts that have more or fewer tokens than their clean ones."""
    examples: RowCounts = RowCounts()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Which rows are searched and which are judged on. Not the seed of the search: runs that differ in that are judged
    on the same examples."""


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_task(subject: Subject, options: Options, metric: Metric) -> Task:
    from mechint.task.behaviour import prompt_task
    from mechint.task.tokenized import Rules

    rules = Rules(answers=options.answers, bos=options.bos, aligned=options.aligned)
    description = f"the answer after each prompt of {options.path}, {_WORDS[options.answers]}"
    return prompt_task(subject, metric, options, _read(Path(options.path), options), description, rules)


def _read(path: Path, options: Options) -> tuple[list[Prompt], list[Prompt]]:
    """Rows to search on and rows to judge on."""
    counts, seed = options.examples, options.seed
    if not path.is_dir():
        return split_rows(read_pairs(path, options.format), counts, seed, options.path)
    train, validation = read_parts(path, options.format)
    return take_rows(train, counts.train, seed, "train"), take_rows(validation, counts.validation, seed, "validation")


_WORDS = {
    "single_token": "a single token",
    "first_token": "by its first token",
    "sequence": "all of its tokens",
}
