"""``mechint task show``: what a spec tests, example by example, and what the model makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from mechint.engine.plugins import Plugins
from mechint.engine.prepare import Prepared, prepare
from mechint.errors import CheckpointError
from mechint.results.describe import number
from mechint.spec.options import OptionsModel
from mechint.spec.values import Item

if TYPE_CHECKING:
    from torch import Tensor

    from mechint.subject.readout import Readout
    from mechint.subject.subject import Subject
    from mechint.task.examples import Examples
    from mechint.task.metric import Metric

__all__ = ["show_task"]

_Spell = Callable[[int], str]

_LIKELIEST = 5
_MOST_TOKENS = 60
"""Of a prompt or a window that are printed."""
_MOST_ANSWERS = 8
"""Of a set of answers that are printed."""


def show_task(item: Item, plugins: Plugins, count: int) -> list[str]:
    """The task of an item in lines: its facts, and ``count`` of the examples it is judged on.

    A model that does not show the behaviour is shown all the same.
    """
    import torch

    ready = prepare(_without_floor(item), plugins)
    with torch.no_grad():
        return [*_facts(ready, item), *_examples(ready, min(count, len(ready.task.heldout)))]


def _without_floor(item: Item) -> Item:
    """The item with nothing asked of the model's accuracy and no example left out."""
    options: OptionsModel = item.cell.task.options
    lenient = {"min_accuracy": 0.0, "only_correct": False}
    known = {name: value for name, value in lenient.items() if name in type(options).model_fields}
    task = replace(item.cell.task, options=options.model_copy(update=known))
    return replace(item, cell=replace(item.cell, task=task))


def _facts(ready: Prepared, item: Item) -> list[str]:
    task, asked = ready.task, getattr(item.cell.task.options, "min_accuracy", None)
    facts = {
        "checkpoint": ready.subject.name,
        "task": task.description,
        "examples": f"{len(task.search)} to search on, {len(task.heldout)} to judge on",
        "asked": None if asked is None else f"an accuracy of {asked:g} at least",
        "ablation": ready.ablation.described,
        "metric": f"{task.metric.name}: {task.metric.summary}",
    }
    return [f"{name:<12}{value}" for name, value in facts.items() if value is not None]


def _examples(ready: Prepared, count: int) -> Iterator[str]:
    subject, metric = ready.subject, ready.task.metric
    examples = ready.task.heldout.take(slice(0, count))
    clean = subject.readout(examples.tokens, examples.mask, examples.where)
    scores = [_scored(metric, clean, examples, clean)]
    if (corrupted := examples.corrupted) is not None:
        readout = subject.readout(corrupted.tokens, corrupted.mask, corrupted.where)
        scores.append(_scored(metric, readout, corrupted, clean))
    spell = _speller(subject)
    last = examples.where.sum(1).cumsum(0) - 1  # of the scored positions, each example's last
    for row in range(count):
        example = examples.take(slice(row, row + 1))
        yield f"\nexample {row + 1}"
        yield from _spelt(example, spell)
        logits = clean.logits(slice(int(last[row]), int(last[row]) + 1))[0]
        yield f"  {'model':<12}{_likeliest(logits, spell)}"
        values = [
            f"{word} {number(float(value[row]))}" for word, value in zip(("clean", "corrupted"), scores, strict=False)
        ]
        yield f"  {metric.name:<12}{', '.join(values)}"


def _scored(metric: Metric, readout: Readout, examples: Examples, full: Readout) -> Tensor:
    from mechint.task.score import read_scores

    return read_scores([metric], readout, examples, full)[metric.name]


def _spelt(example: Examples, spell: _Spell) -> Iterator[str]:
    """The prompt of one example and what may follow it; a window of text and what follows."""
    from mechint.task.predictions import right_at

    yield f"  {'clean':<12}{_tokens(example, spell)}"
    if (corrupted := example.corrupted) is not None:
        yield f"  {'corrupted':<12}{_tokens(corrupted, spell)}"
    if example.pairs is None:
        yield f"  {'next':<12}{spell(int(example.targets[0, int(example.where[0].nonzero()[-1])]))}"
        return
    right = right_at(example)
    alternatives = right.answers[0] if example.pairs.answers is not None else right.answers[:, 0]
    yield f"  {'answer':<12}{_listed(alternatives, spell)}"
    if right.distractors is not None:
        yield f"  {'distractor':<12}{_listed(right.distractors[0], spell)}"


def _tokens(example: Examples, spell: _Spell) -> str:
    """A prompt with its tokens apart, without padding; of a long one the end, which is what is scored."""
    ids = example.tokens[0][example.real[0]].tolist()
    shown = "|".join(spell(token).strip("'") for token in ids[-_MOST_TOKENS:])
    return f"… {shown} ({len(ids)} tokens)" if len(ids) > _MOST_TOKENS else f"{shown} ({len(ids)} tokens)"


def _listed(ids: Tensor, spell: _Spell) -> str:
    there = [token for token in ids.tolist() if token >= 0]
    words = ", ".join(map(spell, there[:_MOST_ANSWERS]))
    return words if len(there) <= _MOST_ANSWERS else f"{words} and {len(there) - _MOST_ANSWERS} more"


def _likeliest(logits: Tensor, spell: _Spell) -> str:
    """The most probable next tokens with their probabilities."""
    top = logits.softmax(-1).topk(min(_LIKELIEST, len(logits)))
    return ", ".join(
        f"{spell(token)} {share:.3f}" for share, token in zip(top.values.tolist(), top.indices.tolist(), strict=True)
    )


def _speller(subject: Subject) -> _Spell:
    """Writes a token as its text; as its number where the checkpoint has no tokenizer."""
    try:
        tokenizer = subject.tokenizer()
    except CheckpointError:
        return str
    return lambda token: repr(tokenizer.decode([token]))
