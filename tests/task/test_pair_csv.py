import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechint.task.pair_csv import columns_of, read_csv
from mechint.task.prompts import Prompt

# A carriage return alone ends a line too; a list in a cell begins with a bracket.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: not text.startswith("["))


def read(text):
    return list(read_csv(text, "a.csv"))


def faults(text):
    return [str(fault) for fault in read(text) if not isinstance(fault, Prompt)]


def prompt(answer, clean="a b"):
    (found,) = read(f'clean,answer\n"{clean}","{answer}"\n')
    return found


@given(st.lists(st.tuples(TEXT, TEXT, TEXT)))
def test_what_is_written_is_read_back(rows):
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([("clean", "answer", "template"), *rows])
    read_back = [(found.clean, *found.answers, found.template) for found in read(stream.getvalue())]
    assert read_back == rows


@given(st.text())
def test_no_text_breaks_the_reader(text):
    read(text)
    read(f"clean,answer\n{text}")


def test_an_empty_cell_is_a_field_left_out():
    (found,) = read("clean,corrupted,answer,distractor,subject,template,weight\na b,,c,,,,\n")
    assert found == Prompt(clean="a b", answers=("c",), place="a.csv:2")


def test_every_column_is_read():
    (found,) = read('weight,clean,corrupted,answer,distractor,subject,template\n0.5,a b,c b," d","["" e"", 7]",b,t\n')
    assert found == Prompt(
        clean="a b",
        corrupted="c b",
        answers=(" d",),
        distractors=(" e", 7),
        subject=(2, 3),
        template="t",
        weight=0.5,
        place="a.csv:2",
    )


@pytest.mark.parametrize(
    ("cell", "answers"), [("52", ("52",)), ("[52]", (52,)), ("[52, 53]", (52, 53)), ('[""["", ""b""]', ("[", "b"))]
)
def test_a_cell_is_text_and_a_list_is_json(cell, answers):
    assert prompt(cell).answers == answers


@pytest.mark.parametrize(("cell", "clean"), [("[1, 2]", (1, 2)), ("[INST] a", "[INST] a"), ("[a]", "[a]"), ("1", "1")])
def test_a_prompt_is_token_ids_where_it_is_a_list_of_numbers(cell, clean):
    assert prompt("[3]", cell).clean == clean


def test_a_subject_may_be_a_span():
    (found,) = read('clean,answer,subject\na b,c,"[2, 3]"\n')
    assert found.subject == (2, 3)


def test_a_row_is_placed_where_it_begins():
    """The first row has three lines and a blank one behind it."""
    found = read('clean,answer\n"a\n\nb",c\n\n"d",e\n')
    assert [row.place for row in found] == ["a.csv:2", "a.csv:6"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("clean,answer\na,b\nc\n", "a.csv:3: has 1 cells, and the header has 2"),
        ("clean,answer\na,b,c\n", "a.csv:2: has 3 cells, and the header has 2"),
        ("clean,corrupted\na,b\n", "a.csv:1: has no column 'answer'"),
        ("clean,anwser\na,b\n", "a.csv:1: unknown column 'anwser'; did you mean 'answer'?"),
        ("clean,answer,clean\na,b,c\n", "a.csv:1: has the column 'clean' 2 times"),
        ('clean,answer\n"a,b\nc,d\n', "a.csv:2: the row that begins here is no CSV: unexpected end of data"),
        ('clean,answer\n"a"b,c\n', "a.csv:2: the row that begins here is no CSV: ',' expected after '\"'"),
        (
            f"clean,answer\n{'a' * 131_073},b\n",
            "a.csv:2: the row that begins here is no CSV: field larger than field limit (131072)",
        ),
        ("clean,answer\n,b\n", "a.csv:2: has no field 'clean'"),
        ("clean,answer\na,[b\n", "a.csv:2: answer: is no JSON: expecting value (character 2 of the cell)"),
        ('clean,answer\n"[1,,2]",b\n', "a.csv:2: clean: is no JSON: expecting value (character 4 of the cell)"),
        (
            "clean,answer,weight\na,b,x\n",
            "a.csv:2: weight: is the string 'x'; expected a number from 0.000001 to 1,000,000",
        ),
        ("clean,answer,weight\na,b,NaN\n", "a.csv:2: weight: is nan; expected a number from 0.000001 to 1,000,000"),
        ("clean,answer,weight\na,b,-1\n", "a.csv:2: weight: is -1; expected a number from 0.000001 to 1,000,000"),
    ],
)
def test_a_fault_has_its_line(text, fault):
    assert faults(text) == [fault]


def test_rows_after_a_ragged_one_are_read():
    assert len(read("clean,answer\na\nb,c\n")) == 2


def test_the_columns_are_those_of_the_first_row():
    assert columns_of('\n"clean","a\nb"\nc,d\n') == ["clean", "a\nb"]


@pytest.mark.parametrize("text", ["", "\n", '"a'])
def test_a_table_without_a_header_has_no_columns(text):
    assert list(columns_of(text)) == []
