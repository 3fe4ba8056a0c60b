from __future__ import annotations

import contextlib

import pytest
from _pytest.mark.expression import Expression
from hypothesis import given
from hypothesis import strategies as st

from mechint.engine.expression import parse_expression
from mechint.errors import UsageError

WORDS = ("a", "b", "V0", "sparsity0.5", "x::y", "nota", "or_", "k-v", "a+b")
TOKENS = (*WORDS, "and", "or", "not", "(", ")")


def holds(text: str, *true: str) -> bool:
    return parse_expression("-k", text)(lambda word: word in true)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", True),
        ("not a", False),
        ("not not a", True),
        ("b or a", True),
        ("a and b", False),
        ("b and b or a", True),
        ("b and (b or a)", False),
        ("not (a and b)", True),
        ("not b and a", True),
        ("  (a)  ", True),
        ("nota", False),
    ],
)
def test_words_are_joined_as_in_python(text: str, expected: bool) -> None:
    assert holds(text, "a") is expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a and", "column 6: expected a word, 'not' or '(', found the end"),
        ("a b", "column 3: expected the end of the expression, found 'b'"),
        ("(a", "column 3: expected ')', found the end"),
        ("a)", "column 2: expected the end of the expression, found ')'"),
        ("and a", "column 1: expected a word, 'not' or '(', found 'and'"),
        ("a & b", "column 3: expected the end of the expression, found '&'"),
        ("a or \x1b[", "column 6: expected a word, 'not' or '(', found '\\x1b'"),
        ("(" * 60 + "a", "nested deeper than 50 levels"),
        ("not " * 60 + "a", "nested deeper than 50 levels"),
    ],
)
def test_a_fault_names_its_place(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_expression("-m", text)
    assert str(caught.value).startswith("-m '")
    assert str(caught.value).endswith(said)


@given(st.lists(st.sampled_from(TOKENS), min_size=1, max_size=12), st.sets(st.sampled_from(WORDS)))
def test_every_expression_means_what_it_means_to_pytest(tokens: list[str], true: set[str]) -> None:
    text = " ".join(tokens)
    try:
        theirs: bool | None = Expression.compile(text).evaluate(lambda word, /, **_: word in true)
    except SyntaxError:
        theirs = None
    try:
        ours: bool | None = holds(text, *true)
    except UsageError:
        ours = None
    assert ours is theirs


@given(st.text(max_size=40))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert holds(text) in (True, False)
