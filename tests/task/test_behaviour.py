import pytest
import torch

from mechint.errors import DataError
from mechint.task.behaviour import prompt_task, whether_right
from mechint.task.prompts import Prompt, PromptOptions
from tests.tiny import metric_named, random_model, subject_of

SUBJECT = subject_of(random_model())
PROMPTS = [(token, 10 - token, token, 3) for token in range(10)]


def best_and_worst(ids):
    order = SUBJECT.logits(torch.tensor([ids]))[0, -1].argsort(descending=True).tolist()
    return order[0], order[-1]


def prompt(ids, *, right):
    best, worst = best_and_worst(ids)
    answer, distractor = (best, worst) if right else (worst, best)
    return Prompt(clean=ids, answers=(answer,), distractors=(distractor,))


# The model is right on every prompt but the first two: four of six, and three of four.
KNOWN = [prompt(ids, right=number > 1) for number, ids in enumerate(PROMPTS)]
PARTS = ([KNOWN[0], *KNOWN[2:7]], [KNOWN[1], *KNOWN[7:]])


def task(**options):
    return prompt_task(SUBJECT, metric_named("logit_diff"), PromptOptions(**options), PARTS, "greetings")


def test_the_description_says_how_often_the_model_is_right():
    assert task().description == ("greetings; the full model is right on 5 of 6 to search on and 3 of 4 to judge on")


def test_a_model_that_does_not_show_the_behaviour_is_refused():
    with pytest.raises(DataError, match=r"does not show this behaviour: accuracy 0\.80 < 0\.9 over 10 examples\n"):
        task(min_accuracy=0.9)


def test_wrong_examples_can_be_left_out():
    left = task(only_correct=True)
    assert (len(left.search), len(left.heldout)) == (5, 3)
    assert whether_right(SUBJECT, left.search).all()
    assert left.description.endswith("3 of 4 to judge on, and the others are left out")


def test_leaving_too_many_out_is_an_error():
    wrong = [prompt(ids, right=False) for ids in PROMPTS[:3]]
    options = PromptOptions(min_accuracy=0, only_correct=True)
    with pytest.raises(DataError, match="right on 0 of 3 examples"):
        prompt_task(SUBJECT, metric_named("loss"), options, (PARTS[0], wrong), "greetings")


def test_right_and_wrong_are_told_apart():
    examples = task().search
    assert whether_right(SUBJECT, examples).tolist() == [False, True, True, True, True, True]
