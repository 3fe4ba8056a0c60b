from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mechint.spec.assertion import describe, parse_assertion, parse_sentence
from mechint.spec.values import Assertion


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("faithfulness >= 0.8", {"metric": "faithfulness", "at_least": 0.8}),
        ("faithfulness>=.8", {"metric": "faithfulness", "at_least": 0.8}),
        ("  loss_increase  <  1e-3 ", {"metric": "loss_increase", "below": 0.001}),
        ("sparsity > 80%", {"metric": "sparsity", "above": 0.8}),
        ("sparsity <= 0.7%", {"metric": "sparsity", "at_most": 0.007}),
        ("margin >= -1", {"metric": "margin", "at_least": -1.0}),
        ("mlp_out.5@last >= 5%", {"effect": "mlp_out.5@last", "at_least": 0.05}),
        ("resid_pre.3@10 > 0.1", {"effect": "resid_pre.3@10", "above": 0.1}),
        ("0.5 <= sparsity < 90%", {"metric": "sparsity", "at_least": 0.5, "below": 0.9}),
    ],
)
def test_sentences(text: str, parts: dict[str, object]) -> None:
    assert parse_sentence(text) == parts


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("faithfulness", "is no assertion"),
        ("", "is no assertion"),
        ("faithfulness 0.8", "is no assertion"),
        ("faithfulness >= ", "is no assertion"),
        ("a b >= 1", "is no assertion"),
        ("faithfulness == 0.8", "unknown comparison '=='; use >= or > or <= or <"),
        ("faithfulness ≥ 0.8", "unknown comparison '≥'"),
        ("faithfulness >= high", "'high' is not a number"),
        ("faithfulness >= true", "'true' is not a number"),
        ("faithfulness >= .nan", "'.nan' is not a finite number"),
        ("faithfulness >= 1e999", "too large"),
        ("0.9 >= sparsity >= 0.5", "must rise from left to right"),
        ("0.9 <= sparsity <= 0.5", "nothing lies between"),
        ("0.5 <= sparsity < 0.5", "nothing lies between"),
    ],
)
def test_sentences_that_state_nothing(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_assertion(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("faithfulness>=80%", "faithfulness >= 0.8"),
        ("loss < 3", "loss < 3"),
        ("loss <= 1e-7", "loss <= 1e-07"),
        ("50% < sparsity <= .9", "0.5 < sparsity <= 0.9"),
        ("z.5@3 >= .1", "z.5@3 >= 0.1"),
    ],
)
def test_the_canonical_sentence(text: str, canonical: str) -> None:
    assert describe(parse_assertion(text)) == canonical


@pytest.mark.parametrize(
    ("assertion", "words"),
    [
        (Assertion(peak="layer", of="mlp_out", within=(8, 16)), "peak layer of mlp_out within 8 to 16"),
        (Assertion(peak="role", of="z.5", within=("last", "further"), confidence=0.9),
         "peak role of z.5 at last or further at 90 % confidence"),
    ],
)  # fmt: skip
def test_a_peak_in_words(assertion: Assertion, words: str) -> None:
    assert describe(assertion) == words


@settings(max_examples=100)
@given(st.sampled_from([">=", ">", "<=", "<"]), st.floats(allow_nan=False, allow_infinity=False))
def test_a_canonical_sentence_states_what_it_came_from(sign: str, bound: float) -> None:
    assertion = parse_assertion(f"loss {sign} {bound!r}")
    assert parse_assertion(describe(assertion)) == assertion


@settings(max_examples=200)
@given(st.text(max_size=30))
def test_any_text_is_an_assertion_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert {"metric", "effect"} & parse_sentence(text).keys()
