import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechint.errors import Fault
from mechint.task.pair_jsonl import LAYOUT
from mechint.task.pair_rows import Layout, read_row
from mechint.task.prompts import Prompt

ROW = {"clean": "Ann saw Bob; Bob saw", "answer": " Ann"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def read(**fields):
    return list(read_row({**ROW, **fields}, LAYOUT, "a.jsonl", 7))


def messages(**fields):
    found = read(**fields)
    assert {(fault.file, fault.line) for fault in found} == {("a.jsonl", 7)}
    return [fault.message for fault in found]


def test_a_row_becomes_a_prompt_with_its_place():
    (prompt,) = read(
        corrupted="Ann saw Bob; Ann saw",
        answer=[" Ann", 5],
        distractor=" Bob",
        subject=[0, 3],
        template="saw",
        weight=2,
    )
    assert prompt == Prompt(
        clean="Ann saw Bob; Bob saw",
        corrupted="Ann saw Bob; Ann saw",
        answers=(" Ann", 5),
        distractors=(" Bob",),
        subject=(0, 3),
        template="saw",
        weight=2.0,
        place="a.jsonl:7",
    )


def test_token_ids_take_the_place_of_text():
    (prompt,) = read(clean=[1, 2, 3], corrupted=[1, 4, 3], answer=5, distractor=[6, 7], subject=[1, 2])
    assert (prompt.clean, prompt.corrupted) == ((1, 2, 3), (1, 4, 3))
    assert (prompt.answers, prompt.distractors, prompt.subject) == ((5,), (6, 7), (1, 2))


@pytest.mark.parametrize("field", ["corrupted", "distractor", "subject", "template", "weight"])
def test_null_is_a_field_left_out(field):
    assert read(**{field: None}) == read()


def test_no_distractors_may_be_an_empty_list():
    assert read(distractor=[]) == read()


def test_the_subjects_text_is_found_in_clean():
    (prompt,) = read(subject="Ann")
    assert prompt.subject == (0, 3)


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        ("Bob", "'Bob' occurs more than once in clean; state [first, past], in characters"),
        ("Zoe", "'Zoe' does not occur in clean"),
        ("", "is empty"),
        ([3, 21], "ends at 21, and clean has 20 characters"),
    ],
)
def test_a_subject_that_does_not_stand_in_clean_is_refused(subject, message):
    assert messages(subject=subject) == [f"subject: {message}"]


@pytest.mark.parametrize(
    "span", [[3, 3], [-1, 2], [1], [0, 2, 4], [0.0, 2], [False, True], ["0", 2], [], 3, True, {}], ids=repr
)
def test_a_span_is_two_whole_numbers_in_order(span):
    assert messages(subject=span) == [
        "subject: is no span; expected [first, past], counted from 0, or the subject's text"
    ]


def test_overlapping_subjects_are_two():
    assert messages(clean="banana", subject="ana") == [
        "subject: 'ana' occurs more than once in clean; state [first, past], in characters"
    ]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("clean", "", "clean: is empty"),
        ("clean", [], "clean: is empty"),
        ("clean", 5, "clean: is 5; expected text or a list of token ids"),
        ("clean", True, "clean: is true; expected text or a list of token ids"),
        ("clean", ["a"], "clean: the string 'a' is no token id, which is a whole number from 0 to 2,147,483,647"),
        ("clean", [[1]], "clean: a list is no token id, which is a whole number from 0 to 2,147,483,647"),
        ("clean", "\ud83d", "clean: holds half of a surrogate pair at character 0, which is no text"),
        ("corrupted", {}, "corrupted: is a mapping; expected text or a list of token ids"),
        ("corrupted", [1], "corrupted: is token ids, and clean is text"),
        ("corrupted", ROW["clean"], "corrupted: is the clean prompt, so that nothing is corrupted"),
        ("answer", "", "answer: is empty"),
        ("answer", [], "answer: is empty"),
        ("answer", [""], "answer: is empty"),
        ("answer", True, "answer: true is neither text nor a token id"),
        ("answer", [1, True], "answer: true is neither text nor a token id"),
        ("answer", 1.0, "answer: 1.0 is neither text nor a token id"),
        ("answer", math.nan, "answer: nan is neither text nor a token id"),
        ("answer", [None], "answer: null is neither text nor a token id"),
        ("answer", -1, "answer: -1 is no token id, which is a whole number from 0 to 2,147,483,647"),
        ("answer", 2**31, "answer: 2147483648 is no token id, which is a whole number from 0 to 2,147,483,647"),
        ("distractor", False, "distractor: false is neither text nor a token id"),
        ("template", 1, "template: is 1; expected text"),
        ("template", "", "template: is empty"),
        ("weight", "1", "weight: is the string '1'; expected a number from 0.000001 to 1,000,000"),
        ("weight", True, "weight: is true; expected a number from 0.000001 to 1,000,000"),
        ("weight", 0, "weight: is 0; expected a number from 0.000001 to 1,000,000"),
        ("weight", -1.5, "weight: is -1.5; expected a number from 0.000001 to 1,000,000"),
        ("weight", math.nan, "weight: is nan; expected a number from 0.000001 to 1,000,000"),
        ("weight", math.inf, "weight: is inf; expected a number from 0.000001 to 1,000,000"),
        ("weight", 1e-60, "weight: is 1e-60; expected a number from 0.000001 to 1,000,000"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_field(field, value, message):
    assert messages(**{field: value}) == [message]


def test_a_huge_number_is_cut_off():
    (message,) = messages(answer=10**99)
    assert message.startswith("answer: 1000000000")
    assert len(message) < 160


@pytest.mark.parametrize("field", ["answer", "distractor"])
def test_text_after_token_ids_is_refused(field):
    assert messages(clean=[1, 2], **{"answer": 1, field: " Ann"}) == [f"{field}: is text, and clean is token ids"]


def test_a_text_subject_of_token_ids_is_refused():
    assert messages(clean=[1, 2], answer=1, subject="Ann") == [
        "subject: is text, and clean is token ids; expected [first, past]"
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("corrupt", "; did you mean 'corrupted'?"),
        ("answers", "; did you mean 'answer'?"),
        ("label", "; known are clean, corrupted, answer, distractor, subject, template, weight"),
    ],
)
def test_an_unknown_field_is_refused(name, meant):
    assert messages(**{name: "x"}) == [f"unknown field '{name}'{meant}"]


def test_a_misspelt_field_is_not_said_to_be_missing_too():
    (fault,) = read_row({"clean": "a", "anwser": " b"}, LAYOUT, "a.jsonl", 1)
    assert fault.message == "unknown field 'anwser'; did you mean 'answer'?"


@pytest.mark.parametrize("row", [{"clean": "a"}, {"clean": "a", "answer": None}])
def test_a_missing_field_is_named(row):
    assert list(read_row(row, LAYOUT, "a.jsonl", 1)) == [
        Fault(file="a.jsonl", line=1, message="has no field 'answer'"),
    ]


def test_many_unknown_fields_are_counted():
    found = messages(**{f"field{number}": 1 for number in range(25)})
    assert len(found) == 11
    assert found[-1] == "15 more unknown fields"


def test_every_fault_of_a_row_is_found():
    assert messages(clean="", answer=True, weight=0) == [
        "clean: is empty",
        "answer: true is neither text nor a token id",
        "weight: is 0; expected a number from 0.000001 to 1,000,000",
    ]


@pytest.mark.parametrize(("row", "what"), [([], "a list"), ("a", "the string 'a'"), (None, "null"), (3, "3")])
def test_a_row_that_is_no_object_is_refused(row, what):
    (fault,) = read_row(row, LAYOUT, "a.jsonl", 1)
    assert fault.message.startswith(f"is {what}; expected an object with clean, corrupted, answer")


@given(st.dictionaries(st.sampled_from([*LAYOUT.names, "clea"]), JSON) | JSON)
def test_any_value_is_a_prompt_or_has_faults(row):
    found = list(read_row(row, LAYOUT, "a.jsonl", 1))
    assert found
    assert {type(one) for one in found} in ({Prompt}, {Fault})
    assert all(len(str(one)) < 1000 for one in found if isinstance(one, Fault))


def test_a_format_may_call_the_fields_otherwise():
    layout = Layout(names={"clean": "prompt", "answer": "right"}, required=frozenset({"clean", "answer"}))
    (fault,) = read_row({"prompt": 5, "right": "a"}, layout, "a.json", 2, within="rows[3]")
    assert fault.message == "rows[3].prompt: is 5; expected text or a list of token ids"
    (fault,) = read_row({"prompt": "a"}, layout, "a.json", 2, within="rows[3]")
    assert fault.message == "rows[3]: has no field 'right'"
