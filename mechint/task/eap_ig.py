"""The CSV files of EAP-IG and of the paper's experiments: text prompts, with answers as token ids.

A file belongs to the tokenizer that its ids are of. Published are https://github.com/hannamw/EAP-IG and
https://github.com/hannamw/eap-ig-faithfulness. Their greater-than and subject-verb files hold a year or a number
(singular, plural) where others hold token ids, so they do not say which tokens are right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mechint.spec.scalars import quote
from mechint.task.pair_csv import parse_cell, read_table
from mechint.task.pair_rows import Layout, Row

__all__ = ["is_eap_ig", "read_eap_ig"]

ANSWERS = (
    ("correct_idx", "incorrect_idx"),  # indirect objects
    ("clean_answer_idx", "corrupted_answer_idx"),  # gender bias
    ("country_idx", "corrupted_country_idx"),  # fact retrieval
    ("answers_idx", "corrupted_answers_idx"),  # hypernymy
)
"""Columns with the ids of answers and of distractors; a file has one pair of them."""
IGNORED = frozenset(
    {
        "",  # pandas writes the number of a row under no name
        *("label", "corrupted_hard", "prob_diff"),
        *("capital", "country", "corrupted_capital", "corrupted_country"),
        *("h1", "hypernym", "answers", "c1", "corrupted_hypernym", "corrupted_answers", "clean2", "corrupted2"),
    }
)
"""What the published files say beside that."""
HINT = (
    "EAP-IG's greater-than files hold years where others hold token ids, and no wrong answers; "
    "the task greater_than makes such prompts"
)


def is_eap_ig(columns: Sequence[str]) -> bool:
    """Whether a table with these columns can be one of EAP-IG's."""
    return "answer" not in columns and any(right in columns for right, _ in ANSWERS)


def read_eap_ig(text: str, file: str) -> Iterator[Row]:
    """The prompt of each row, or what is wrong with it."""
    yield from read_table(text, file, _layout_of)


def _layout_of(columns: Sequence[str]) -> Layout:
    right, wrong = next((pair for pair in ANSWERS if pair[0] in columns), ANSWERS[0])
    names = {"clean": "clean", "corrupted": "corrupted", "answer": right, "distractor": wrong}
    hints = {"answer": HINT, "distractor": HINT} if right == "correct_idx" else {}
    return Layout(names=names, required=frozenset(names), ignored=IGNORED, hints=hints, decode=_decode)


def _decode(field: str, cell: str) -> object:
    if field in ("clean", "corrupted"):
        return cell
    try:
        value = parse_cell(cell)
    except ValueError:
        value = None
    if not all(type(item) is int for item in (value if isinstance(value, list) else [value])):
        raise ValueError(f"is {quote(cell)}; expected a token id or a list of them")
    return value
