"""AutoCircuit's JSON files: ``{"prompts": [{"clean", "corrupt", "answers", "wrong_answers"}]}``, text or token ids.

Published are https://github.com/UFO-101/auto-circuit, in ``datasets``. Its files for compiled and for hand-made models
hold an answer for each position, or embeddings in the place of tokens; neither is a prompt with one answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from mechint.errors import Fault
from mechint.spec.scalars import describe_value, quote
from mechint.spec.suggest import did_you_mean
from mechint.task.json_text import JsonError, parse_text
from mechint.task.pair_rows import Layout, Row, read_row

__all__ = ["read_autocircuit"]

NAMES = {"clean": "clean", "corrupted": "corrupt", "answer": "answers", "distractor": "wrong_answers"}
LAYOUT = Layout(names=NAMES, required=frozenset(NAMES))
IGNORED = ("word_idxs", "seq_labels")
"""Names of positions, which belong to one tokenizer."""
MOST_VALUES = 1 << 24
"""Values in a file."""

_SPACE = re.compile(r"[ \t\n\r]*")


def read_autocircuit(text: str, file: str) -> Iterator[Row]:
    """The prompt of each entry, or what is wrong with it."""
    try:
        document = parse_text(text, most_values=MOST_VALUES)
    except JsonError as error:
        yield Fault(file=file, line=error.line, column=error.column, message=str(error))
        return
    faults = [Fault(file=file, line=1, message=message) for message in _find_faults(document)]
    yield from faults
    if not faults:
        starts = _find_lines(text)
        for index, (line, prompt) in enumerate(zip(starts, document["prompts"], strict=True)):
            yield from read_row(prompt, LAYOUT, file, line, within=f"prompts[{index}]")


def _find_faults(document: object) -> Iterator[str]:
    """What is wrong with the document around the prompts."""
    if not isinstance(document, dict):
        yield f"is {describe_value(document)}; expected an object with the key 'prompts'"
        return
    for key in document:
        if key not in ("prompts", *IGNORED):
            yield f"unknown key {quote(key)}{did_you_mean(key, ['prompts', *IGNORED])}"
    if not isinstance(document.get("prompts"), list):
        yield "has no list under the key 'prompts'"


def _find_lines(text: str) -> Iterator[int]:
    """The line that each entry of ``prompts`` begins on, in a text that is known to be such a document."""
    line, before = 1, 0
    for start in _find_starts(text):
        line += text.count("\n", before, start)
        before = start
        yield line


def _find_starts(text: str) -> Iterator[int]:
    """The character that each entry of ``prompts`` begins at."""
    decoder = json.JSONDecoder()
    at, key = _past(text, 0, "{"), None
    while key != "prompts":
        key, at = decoder.raw_decode(text, at)
        at = _past(text, at, ":")
        if key != "prompts":
            at = _past(text, decoder.raw_decode(text, at)[1], ",")
    at = _past(text, at, "[")
    while text[at] != "]":
        yield at
        at = _past(text, decoder.raw_decode(text, at)[1], ",")


def _past(text: str, at: int, mark: str) -> int:
    """Where the next word begins, past spaces and, if it comes next, a mark."""
    at = _after_space(text, at)
    return _after_space(text, at + 1) if text[at] == mark else at


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None, "the pattern matches nothing as well"
    return found.end()
