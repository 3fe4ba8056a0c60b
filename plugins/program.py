"""What a program makes of its inputs, for models that Tracr compiled from it.

A folder holds ``config.json``, which the checkpoint shares (``vocabulary``, ``bos_token_id``, ``pad_token_id`` and
``output_values``), and ``examples.json``: ``{"examples": [{"input": [2, 1], "output": [1, 2]}]}``. The model reads BOS
and the input; at each of the input's places a logit for every output value is scored against the program's output
there. No input is both searched and judged on.

Distrust: what a program leaves to chance, such as its output at BOS, is not scored, so nothing is said about it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from mechint import hookimpl
from mechint.errors import DataError
from mechint.spec.options import OptionsModel

if TYPE_CHECKING:
    from mechint.subject.subject import Shape, Subject
    from mechint.task.examples import Examples
    from mechint.task.metric import Metric
    from mechint.task.task import Task


class Options(OptionsModel):
    """Inputs and outputs of a compiled program."""

    path: str
    """The folder of the compiled program, with config.json and examples.json."""
    search_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the inputs to search on; the others are judged on."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Which inputs are searched and which are judged on. Not the seed of the search."""


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_task(subject: Subject, options: Options, metric: Metric) -> Task:
    from mechint.task.json_file import read_json_file
    from mechint.task.task import Task

    folder = Path(options.path)
    language = _read_language(folder / "config.json", subject.shape)
    runs = read_json_file(folder / "examples.json", _Runs, '{"examples": [{"input": [2], "output": [2]}]}').examples
    order = list(range(len(runs)))
    random.Random(options.seed).shuffle(order)
    cut = min(max(round(len(runs) * options.search_share), 1), len(runs) - 1)
    search, heldout = (
        _examples([runs[number] for number in sorted(part)], language, subject.shape, folder)
        for part in (order[:cut], order[cut:])
    )
    return Task(search=search, heldout=heldout, metric=metric, description=f"the outputs of the program {folder.name}")


class _Config(BaseModel):
    """What config.json says of the program's language, beside the model's sizes."""

    model_config = ConfigDict(frozen=True)

    vocabulary: tuple[int | str, ...]
    bos_token_id: int
    pad_token_id: int
    output_values: tuple[int | str | bool, ...] | None


class _Run(BaseModel):
    """One input and what the program makes of it, place by place."""

    model_config = ConfigDict(frozen=True)

    input: tuple[int | str, ...]
    output: tuple[int | str | bool | float | None, ...]


class _Runs(BaseModel):
    """What examples.json holds."""

    model_config = ConfigDict(frozen=True)

    examples: Annotated[tuple[_Run, ...], Field(min_length=2)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Language:
    """Numbers of the words that a program reads and of the values that it writes."""

    words: Mapping[int | str, int]
    values: Mapping[object, int]
    bos: int
    pad: int


def _read_language(path: Path, shape: Shape) -> _Language:
    from mechint.task.json_file import read_json_file

    config = read_json_file(path, _Config, "the config.json of a compiled program")
    if config.output_values is None:
        raise DataError(
            f"{path}: the program's output is a number, which no logit stands for; metrics here are of predictions"
        )
    ids = range(shape.n_vocab)
    if len(config.vocabulary) != shape.n_vocab or not {config.bos_token_id, config.pad_token_id} <= set(ids):
        raise DataError(f"{path}: belongs to another model; this one reads {shape.n_vocab} tokens")
    return _Language(
        words={word: number for number, word in enumerate(config.vocabulary)},
        values={value: number for number, value in enumerate(config.output_values)},
        bos=config.bos_token_id,
        pad=config.pad_token_id,
    )


def _examples(runs: Sequence[_Run], language: _Language, shape: Shape, folder: Path) -> Examples:
    """BOS and the inputs, padded on the right, with the numbers of the outputs as targets."""
    import torch

    from mechint.task.examples import Examples

    longest = 1 + max(len(run.input) for run in runs)
    if longest > shape.context:
        raise DataError(
            f"{folder / 'examples.json'}: an input has {longest - 1} words; the model reads {shape.context}"
        )
    tokens = torch.full((len(runs), longest), language.pad)
    targets, scored = torch.zeros_like(tokens), torch.zeros_like(tokens, dtype=torch.bool)
    tokens[:, 0] = language.bos
    for row, run in enumerate(runs):
        if len(run.output) != len(run.input):
            raise DataError(
                f"{folder / 'examples.json'}: an input has {len(run.input)} words and an output of {len(run.output)}"
            )
        inside = slice(1, 1 + len(run.input))
        tokens[row, inside] = torch.tensor(_numbers(run.input, language.words, folder))
        targets[row, inside] = torch.tensor(_numbers(run.output, language.values, folder))
        scored[row, inside] = True
    mask = scored.clone()
    mask[:, 0] = True
    return Examples(tokens=tokens, targets=targets, mask=mask, scored=scored)


def _numbers(words: Sequence[object], known: Mapping[Any, int], folder: Path) -> list[int]:
    if unknown := [word for word in words if word not in known]:
        raise DataError(f"{folder / 'examples.json'}: {unknown[0]!r} is none of {', '.join(map(repr, known))}")
    return [known[word] for word in words]
