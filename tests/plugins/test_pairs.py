import itertools
import json
import re
from pathlib import Path

import pytest
from mechint.plugins import pairs

from mechint.errors import DataError
from mechint.task.pair_csv import read_csv
from mechint.task.pair_jsonl import FIELDS, read_jsonl
from mechint.task.prompts import Prompt
from tests.tiny import metric_named, random_model, subject_of
from tests.words import word_subject

PAGE = (Path(__file__).parents[2] / "docs/tasks.md").read_text()
NAMES = ("Ann", "Bob", "Eve", "Dan", "Kim", "Lee", "Max", "Zoe")
ROWS = [
    {
        "clean": f"{a} met {b}; {b} saw",
        "corrupted": f"{a} met {b}; {a} saw",
        "answer": f" {a}",
        "distractor": f" {b}",
        "subject": a,
        "template": "met",
    }
    for a, b in itertools.pairwise(NAMES)
]


@pytest.fixture
def task_from(tmp_path):
    """The task of some rows in a file, or of some files."""

    def task_from(rows, subject=None, metric="logit_diff", **options):
        files = rows if isinstance(rows, dict) else {"rows": rows}
        for name, content in files.items():
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
        path = tmp_path if isinstance(rows, dict) else tmp_path / "rows.jsonl"
        settings = pairs.Options(path=str(path), **{"min_accuracy": 0, **options})
        return pairs.mechint_task(subject=subject or word_subject(), options=settings, metric=metric_named(metric))

    return task_from


def texts(subject, examples):
    return {subject.tokenizer().decode(row.tolist()) for row in examples.tokens}


def test_half_of_a_file_is_searched_and_half_is_judged_on(task_from):
    subject = word_subject()
    task = task_from(ROWS[:6], subject)
    assert (len(task.search), len(task.heldout)) == (3, 3)
    assert texts(subject, task.search) | texts(subject, task.heldout) == {row["clean"] for row in ROWS[:6]}


def test_counts_and_seed_choose_the_rows(task_from):
    first, same, other = (task_from(ROWS, examples={"train": 4, "validation": 2}, seed=seed) for seed in (0, 0, 1))
    assert (len(first.search), len(first.heldout)) == (4, 2)
    assert first.search.sha256 == same.search.sha256 != other.search.sha256


def test_a_folder_states_the_parts_itself(task_from):
    subject = word_subject()
    task = task_from({"train": ROWS[:5], "validation": ROWS[5:]}, subject)
    assert texts(subject, task.search) == {row["clean"] for row in ROWS[:5]}
    assert texts(subject, task.heldout) == {row["clean"] for row in ROWS[5:]}


def test_every_field_reaches_the_examples(task_from):
    """`Ann met Bob ; Bob saw` is six tokens; the answer is scored at the last of them."""
    subject = word_subject()
    task = task_from([row | {"weight": 1 + number} for number, row in enumerate(ROWS[:4])], subject)
    encoded = subject.tokenizer().encode
    first = task.search.take(slice(0, 1))
    row = next(row for row in ROWS if encoded(row["clean"]) == first.tokens[0].tolist())
    assert first.pairs.corrupted[0].tolist() == encoded(row["corrupted"])
    assert first.pairs.answers.tolist() == [encoded(row["answer"])]
    assert first.pairs.distractors.tolist() == [encoded(row["distractor"])]
    assert first.pairs.subject.tolist() == [[0, 1]]
    assert first.scored.nonzero().tolist() == [[0, 5]]
    assert first.weight.tolist() == [1 + ROWS.index(row)]


def test_the_description_says_what_is_asked(task_from):
    description = task_from(ROWS).description
    assert description.startswith("the answer after each prompt of ")
    assert "rows.jsonl, a single token; the full model is right on" in description


def test_token_ids_need_no_tokenizer(task_from):
    rows = [{"clean": [n, 1, 2], "corrupted": [n, 3, 2], "answer": [4, 5], "distractor": 6} for n in range(8)]
    task = task_from(rows, subject_of(random_model()))
    assert task.search.tokens[:, 1:].unique(dim=0).tolist() == [[1, 2]]
    assert task.search.pairs.answers.unique(dim=0).tolist() == [[4, 5]]


@pytest.mark.parametrize(("rule", "scored"), [("first_token", 1), ("sequence", 2)])
def test_an_answer_of_two_tokens_is_scored_as_the_task_says(task_from, rule, scored):
    rows = [{"clean": row["clean"], "answer": " far away"} for row in ROWS]
    task = task_from(rows, metric="loss", answers=rule)
    assert task.search.scored.sum(1).unique().tolist() == [scored]


def test_what_the_tokenizer_finds_has_a_place(task_from):
    rows = [*ROWS[:3], ROWS[3] | {"answer": " Dan Kim"}, ROWS[4] | {"corrupted": "Kim met Kim"}]
    with pytest.raises(DataError) as raised:
        task_from(rows)
    found = {line.split("rows.jsonl:")[1] for line in str(raised.value).splitlines()}
    assert found == {
        "4: ' Dan Kim' is 2 tokens; state answers: first_token or answers: sequence in the task",
        "5: the clean prompt has 6 tokens and the corrupted one 3",
    }


def test_prompts_of_other_lengths_may_be_allowed(task_from):
    rows = [*ROWS[:3], ROWS[3] | {"corrupted": "Kim met Kim"}]
    assert len(task_from(rows, aligned=False).search) == 2


TWICE = [*ROWS, *(row | {"answer": row["distractor"], "distractor": row["answer"]} for row in ROWS)]
"""Every prompt with either answer, so that any model is right on half of them."""


def test_a_model_that_does_not_show_the_behaviour_is_refused(task_from):
    with pytest.raises(DataError, match=r"does not show this behaviour: accuracy 0\.50 < 0\.7 over 14 examples"):
        task_from(TWICE, min_accuracy=0.7)


def test_what_the_model_gets_wrong_can_be_left_out(task_from):
    """Half of the rows are four of the seven prompts, since the rows of a prompt stay together."""
    task = task_from(TWICE, only_correct=True)
    assert (len(task.search), len(task.heldout)) == (4, 3)


def test_the_path_is_needed():
    with pytest.raises(ValueError, match="path\n  Field required"):
        pairs.Options()


@pytest.mark.parametrize("name", [*pairs.Options.model_fields, *FIELDS])
def test_every_option_and_field_is_on_the_page(name):
    assert f"| `{name}` |" in PAGE


@pytest.mark.parametrize(("language", "read", "count"), [("jsonl", read_jsonl, 3), ("csv", read_csv, 2)])
def test_the_pages_rows_are_read(language, read, count):
    (block,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert [type(row) for row in read(block, "page")] == [Prompt] * count
