import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechint.task.pair_jsonl import LONGEST_LINE, read_jsonl
from mechint.task.prompts import Prompt

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
ANSWERS = st.lists(TEXT | st.integers(0, 2**31 - 1), min_size=1)
ROWS = st.fixed_dictionaries(
    {"clean": TEXT, "answer": ANSWERS},
    optional={"distractor": ANSWERS, "template": TEXT, "weight": st.floats(1e-6, 1e6)},
)

A = '{"clean": "a", "answer": " b"}'


def faults(text):
    return [str(fault) for fault in read_jsonl(text, "a.jsonl") if not isinstance(fault, Prompt)]


@given(st.lists(ROWS), st.booleans())
def test_what_is_written_is_read_back(rows, escaped):
    text = "\n".join(json.dumps(row, ensure_ascii=escaped) for row in rows)
    assert list(read_jsonl(text, "a.jsonl")) == [
        Prompt(
            clean=row["clean"],
            answers=tuple(row["answer"]),
            distractors=tuple(row.get("distractor", ())),
            template=row.get("template", ""),
            weight=row.get("weight", 1.0),
            place=f"a.jsonl:{number}",
        )
        for number, row in enumerate(rows, 1)
    ]


@given(st.text())
def test_no_text_breaks_the_reader(text):
    list(read_jsonl(text, "a.jsonl"))


def test_blank_lines_are_passed_over_and_counted():
    assert [prompt.place for prompt in read_jsonl(f"\n{A}\r\n \t\n{A}\n\n", "a.jsonl")] == ["a.jsonl:2", "a.jsonl:4"]


@pytest.mark.parametrize("end", ["\u2028", "\u0085", "\x0c", "\x1c"])
def test_only_a_line_feed_ends_a_line(end):
    row = json.dumps({"clean": f"a{end}b", "answer": "c"}, ensure_ascii=False)
    assert [found.place for found in read_jsonl(f"{row}\n{A}", "a.jsonl")][-1] == "a.jsonl:2"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"clean": "a" "answer": " b"}', "a.jsonl:2:15: is no JSON: expecting ',' delimiter"),
        ("[" * 5000, "a.jsonl:2: is nested too deeply"),
        ('{"clean": "a", "clean": "b"}', "a.jsonl:2: has the key 'clean' twice, so it is damaged or made to mislead"),
        ("[" + "1," * (1 << 20) + "1]", "a.jsonl:2: has more than 1,048,576 values"),
        ('"' + "a" * LONGEST_LINE + '"', "a.jsonl:2: has 4,194,306 characters; a line may have 4,194,304"),
        (
            '{"clean": "a", "answer": "b", "weight": NaN}',
            "a.jsonl:2: weight: is nan; expected a number from 0.000001 to 1,000,000",
        ),
        ('{"clean": "a", "answer": "\\ud800"}', "a.jsonl:2: answer: holds half of a surrogate pair at character 0, "),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_the_next_is_read(line, fault):
    (found,) = faults(f"{A}\n{line}\n{A}")
    assert found.startswith(fault)
