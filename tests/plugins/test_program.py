"""The task of compiled programs: what the model reads, and what is scored against what."""

import json
import shutil

import pytest
from mechint.plugins import program

from mechint.errors import DataError
from mechint.subject.load import load_subject
from tests.known_answers.files import TRACR
from tests.tiny import metric_named, score


def task_of(folder, name="reverse", **options):
    subject = load_subject(str(TRACR / name))
    given = program.Options(path=str(folder), **options)
    return subject, program.mechint_task(subject=subject, options=given, metric=metric_named("loss"))


@pytest.fixture
def copied(tmp_path):
    """A folder with a program that a test may spoil."""
    return shutil.copytree(TRACR / "reverse", tmp_path / "reverse")


def spoil(folder, file, change):
    content = json.loads((folder / file).read_text())
    change(content)
    (folder / file).write_text(json.dumps(content))


@pytest.mark.parametrize("name", ["reverse", "sort", "hist", "sort_unique", "count_less_freq"])
def test_a_compiled_program_is_right_on_every_input(name):
    subject, task = task_of(TRACR / name, name)
    for part in (task.search, task.heldout):
        logits = subject.logits(part.tokens, part.mask)
        assert score("accuracy", logits, part).min() == 1


def test_targets_of_reverse_are_the_input_backwards():
    _, task = task_of(TRACR / "reverse")
    for tokens, targets, where in zip(task.search.tokens, task.search.targets, task.search.where, strict=True):
        assert targets[where].tolist() == tokens[where].flip(0).tolist()


def test_no_input_is_both_searched_and_judged_on():
    _, task = task_of(TRACR / "reverse", search_share=0.3)
    searched, judged = ({tuple(row) for row in part.tokens.tolist()} for part in (task.search, task.heldout))
    assert (len(searched), len(judged)) == (18, 42)
    assert searched.isdisjoint(judged)


def test_a_program_whose_output_is_a_number_is_refused():
    with pytest.raises(DataError, match="the program's output is a number"):
        task_of(TRACR / "frac_prevs", "frac_prevs")


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("examples.json", lambda it: it["examples"][0].update(input=[9]), "9 is none of 1, 2, 3, 'BOS', 'PAD'"),
        ("examples.json", lambda it: it["examples"][0].update(output=[9]), "9 is none of 1, 2, 3"),
        (
            "examples.json",
            lambda it: it["examples"][0].update(input=[1] * 6),
            "an input has 6 words; the model reads 6",
        ),
        ("examples.json", lambda it: it["examples"][0].update(output=[]), "has 1 words and an output of 0"),
        ("examples.json", lambda it: it.pop("examples"), "examples.json: examples: field required"),
        ("config.json", lambda it: it["vocabulary"].pop(), "belongs to another model; this one reads 5 tokens"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(copied, file, change, message):
    spoil(copied, file, change)
    with pytest.raises(DataError, match=message):
        task_of(copied)


def test_a_folder_without_examples_is_refused(copied):
    (copied / "examples.json").unlink()
    with pytest.raises(DataError, match=r"examples.json: cannot be read: no such file"):
        task_of(copied)
