"""A task of prompts, and whether the model shows the behaviour at all."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mechint.codes import Code
from mechint.errors import DataError
from mechint.subject.subject import Subject
from mechint.task.examples import Examples
from mechint.task.metric import Metric, Reading
from mechint.task.predictions import all_positions
from mechint.task.prompts import Prompt, PromptOptions
from mechint.task.score import read_values
from mechint.task.task import Task
from mechint.task.tokenized import Rules, tokenize_prompts

__all__ = ["prompt_task", "whether_right"]

BATCH = 32
"""Examples in a forward pass."""
FEWEST = 2
"""Examples of each part that a task needs after the wrong ones are left out."""


def prompt_task(
    subject: Subject,
    metric: Metric,
    options: PromptOptions,
    prompts: tuple[Sequence[Prompt], Sequence[Prompt]],
    description: str,
    rules: Rules | None = None,
) -> Task:
    """The task of some prompts to search on and some to judge on, where the full model shows the behaviour.

    Raises DataError where prompts cannot be used with the model's tokenizer, and where the full model's accuracy is
    under ``options.min_accuracy``.
    """
    search, heldout = tokenize_prompts(*prompts, subject, rules or Rules(bos=options.bos))
    right = [whether_right(subject, examples) for examples in (search, heldout)]
    accuracy = float(torch.cat(right).float().mean())
    if accuracy < options.min_accuracy:
        raise DataError(
            f"the model does not show this behaviour: accuracy {accuracy:.2f} < {options.min_accuracy:g} over "
            f"{len(search) + len(heldout)} examples\n"
            "  hint: `mechint task show SPEC` prints some of them; task.min_accuracy lowers the bound",
            code=Code.NO_BEHAVIOUR,
        )
    description += f"; the full model is right on {_count(right)}"
    if options.only_correct:
        search, heldout = (_keep(examples, rows) for examples, rows in zip((search, heldout), right, strict=True))
        description += ", and the others are left out"
    return Task(search=search, heldout=heldout, metric=metric, description=description)


@torch.no_grad()
def whether_right(subject: Subject, examples: Examples) -> Tensor:
    """Whether the full model is right on each example, ``[n]``."""
    reading = Reading(rows=lambda seen: seen.is_right().float(), pool=all_positions)
    parts = []
    for batch in examples.to(subject.device).batches(BATCH):
        readout = subject.readout(batch.tokens, batch.mask, batch.where)
        (right,) = read_values([reading], readout, batch)
        parts.append(right.bool().cpu())
    return torch.cat(parts)


def _keep(examples: Examples, right: Tensor) -> Examples:
    kept = examples.take(right.nonzero().flatten())
    if len(kept) < FEWEST:
        raise DataError(
            f"the model is right on {len(kept)} of {len(examples)} examples; task.only_correct leaves out the others\n"
            f"  hint: a part needs {FEWEST} at least",
            code=Code.NO_BEHAVIOUR,
        )
    return kept


def _count(right: Sequence[Tensor]) -> str:
    search, heldout = (f"{int(rows.sum())} of {len(rows)}" for rows in right)
    return f"{search} to search on and {heldout} to judge on"
