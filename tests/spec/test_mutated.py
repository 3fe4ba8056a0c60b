"""Damaged specs are refused in words, and at once. ``benchmarks/mutated_specs.py`` tries a hundred thousand."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.mutated_specs import SLOW, WORDS, mutate, read
from mechint.spec.grammar import Grammar
from tests.spec.test_typos import SPECS, shipped

__all__ = ["shipped"]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_damaged_spec_is_a_spec_or_refused_within_a_second(path, shipped: Grammar) -> None:
    generator = random.Random(path.name)
    for _ in range(150):
        text = mutate(path.read_text(), generator)
        started = time.process_time()
        assert read(text, shipped, Counter()) in ("valid", "refused"), text
        assert time.process_time() - started < SLOW, text


@settings(max_examples=300)
@given(st.lists(st.sampled_from([*WORDS, "\n", "  ", "task", "method", "include", "xfail", "skip", ": "]), max_size=40))
def test_any_words_are_a_spec_or_refused(shipped: Grammar, words: list[str]) -> None:
    assert read("".join(words), shipped, Counter()) in ("valid", "refused")
