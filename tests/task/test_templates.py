from itertools import islice
from typing import Annotated

import pytest
from pydantic import ValidationError

from mechint.errors import DataError
from mechint.spec.options import OptionsModel
from mechint.subject.tokenizer import BytesTokenizer
from mechint.task.templates import OneOf, choose_templates, in_turn, single_tokens
from tests.words import WordTokenizer

TEMPLATES = {"first": "One {word}", "second": "Two {word}", "third": "Three {word}"}


class Named(OptionsModel):
    template: Annotated[str, OneOf(tuple(TEMPLATES))] = "first"
    """Of three."""


def test_the_schema_lists_the_names():
    schema = Named.model_json_schema()["properties"]["template"]
    assert (schema["enum"], schema["description"]) == (["first", "second", "third"], "Of three.")


def test_another_name_is_refused():
    with pytest.raises(ValidationError, match="should be 'first', 'second' or 'third'"):
        Named(template="fourth")


@pytest.mark.parametrize(
    ("names", "chosen"), [(None, ["first", "second", "third"]), (["third", "first", "third"], ["first", "third"])]
)
def test_templates_are_chosen_once_and_in_their_order(names, chosen):
    assert choose_templates(TEMPLATES, names) == [(name, TEMPLATES[name]) for name in chosen]


def test_values_come_in_turn():
    turns = in_turn("abcd", seed=0)
    rounds = ["".join(islice(turns, 4)) for _ in range(10)]
    assert {"".join(sorted(one)) for one in rounds} == {"abcd"}
    assert len(set(rounds)) > 1


def test_words_of_one_token_are_kept():
    words = ["dog", "hot dog", "cat"]
    assert single_tokens(words, WordTokenizer(), what="animals", least=2) == ["dog", "cat"]


def test_too_few_of_them_are_refused():
    with pytest.raises(DataError, match=r"writes 0 of 2 animals as one token, and the task needs 1\n  hint: .*`pairs`"):
        single_tokens(["dog", "cat"], BytesTokenizer(), what="animals", least=1)
