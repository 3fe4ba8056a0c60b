"""Files as AutoCircuit writes them, with words of our own."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechint.task.autocircuit import read_autocircuit
from mechint.task.prompts import Prompt

FILE = """\
{
  "seq_labels": ["Ann", "prompts", "}"],
  "word_idxs": {"IO": 2, "nested": {"prompts": []}},
  "prompts": [
    {
      "clean": "Ann met Bob; Bob saw",
      "corrupt": "Ann met Bob; Kim saw",
      "answers": [" Ann"],
      "wrong_answers": [" Bob", " Kim"]
    },
    {"clean": "Eve met Dan; Dan saw", "corrupt": "Eve met Dan; Lee saw", "answers": [" Eve"], "wrong_answers": [" Dan"]}
  ]
}
"""
ROW = {"clean": [1, 2], "corrupt": [1, 3], "answers": [4], "wrong_answers": [5]}
PADDING = st.text(st.sampled_from(" \t\r\n"), max_size=3)


def read(document):
    return list(read_autocircuit(document if isinstance(document, str) else json.dumps(document), "a.json"))


def faults(document):
    return [str(fault) for fault in read(document)]


def test_a_file_of_text_is_read():
    first, second = read(FILE)
    assert first == Prompt(
        clean="Ann met Bob; Bob saw",
        corrupted="Ann met Bob; Kim saw",
        answers=(" Ann",),
        distractors=(" Bob", " Kim"),
        place="a.json:5",
    )
    assert second.place == "a.json:11"


def test_a_file_of_token_ids_is_read():
    (prompt,) = read({"prompts": [ROW]})
    assert (prompt.clean, prompt.corrupted) == ((1, 2), (1, 3))
    assert (prompt.answers, prompt.distractors) == ((4,), (5,))


@given(st.lists(st.tuples(PADDING, st.text('ab"\\{[,:é', min_size=1), PADDING)))
def test_every_prompt_is_placed_on_its_line(entries):
    """Whatever the spaces around the prompts; the lines are counted independently."""
    text, lines = '{"prompts":[', []
    for number, (before, clean, after) in enumerate(entries):
        text += f"{',' if number else ''}{before}"
        lines.append(text.count("\n") + 1)
        text += json.dumps({"clean": clean, "corrupt": "c", "answers": [1], "wrong_answers": []}) + after
    assert [prompt.place for prompt in read(text + "]}")] == [f"a.json:{line}" for line in lines]


@given(st.text())
def test_no_text_breaks_the_reader(text):
    read(text)


def test_a_fault_has_line_and_number_and_field():
    found = faults(FILE.replace('[" Ann"]', "[true]").replace('"wrong_answers": [" Dan"]', '"wrong": 1'))
    assert found == [
        "a.json:5: prompts[0].answers: true is neither text nor a token id",
        "a.json:11: prompts[1]: unknown field 'wrong'; did you mean 'wrong_answers'?",
    ]


@pytest.mark.parametrize("name", ["clean", "corrupt", "answers", "wrong_answers"])
def test_every_field_is_needed(name):
    row = {key: value for key, value in ROW.items() if key != name}
    assert faults({"prompts": [row]}) == [f"a.json:1: prompts[0]: has no field '{name}'"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answers": [[4, 4]]}, "prompts[0].answers: a list is neither text nor a token id"),
        ({"clean": [[3.0, 3.0]]}, "prompts[0].clean: a list is no token id"),
        ({"corrupt": "a"}, "prompts[0].corrupt: is text, and clean is token ids"),
    ],
)
def test_prompts_without_one_answer_in_tokens_are_refused(row, message):
    """As in AutoCircuit's files for compiled models (answers for each position) and hand-made ones (embeddings)."""
    (fault,) = faults({"prompts": [ROW | row]})
    assert fault.startswith(f"a.json:1: {message}")


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ('{"prompts": [\n{]}', "a.json:2:2: is no JSON: expecting property name enclosed in double quotes"),
        ("[" * 200_000, "a.json:1: is nested too deeply"),
        ('{"prompts": [], "prompts": []}', "a.json:1: has the key 'prompts' twice"),
        ([ROW], "a.json:1: is a list; expected an object with the key 'prompts'"),
        ({"prompts": {}}, "a.json:1: has no list under the key 'prompts'"),
        ({"prompts": [], "seq_label": 1}, "a.json:1: unknown key 'seq_label'; did you mean 'seq_labels'?"),
        ({"prompts": ["a"]}, "a.json:1: prompts[0]: is the string 'a'; expected an object with clean, corrupt"),
    ],
)
def test_a_document_that_cannot_be_read_is_refused(document, fault):
    (found,) = faults(document)
    assert found.startswith(fault)
