import re
from dataclasses import replace

import pytest
import torch
from mechint.plugins import country_capital

from mechint.errors import DataError
from mechint.task.words.countries import CAPITALS
from tests.tiny import metric_named
from tests.words import WordTokenizer, word_subject


class Halves(WordTokenizer):
    """The first six letters of a word are a token, and so are the others."""

    def encode(self, text):
        return [self.ids.setdefault(part, len(self.ids)) for part in re.findall(r"\s?\w{1,6}|\s?[^\w\s]|\s", text)]


class Letters(WordTokenizer):
    """A letter is a token, with the space before it."""

    def encode(self, text):
        return [self.ids.setdefault(letter, len(self.ids)) for letter in re.findall(r"\s?\S", text)]


def made(tokenizer=WordTokenizer, *, train=20, validation=10, **options):
    words = tokenizer(name="words")
    subject = replace(word_subject(n_vocab=2000, context=64), tokenizer=lambda: words)
    counts = {"train": train, "validation": validation}
    settings = country_capital.Options(examples=counts, min_accuracy=0, **options)
    return country_capital.mechint_task(subject=subject, options=settings, metric=metric_named("logit_diff")), words


def test_the_subject_is_the_country():
    task, words = made()
    for ids, (first, past) in zip(task.search.tokens.tolist(), task.search.pairs.subject.tolist(), strict=True):
        country = words.decode(ids[first:past]).strip()
        assert f" of {country}" in words.decode(ids)
        assert country in CAPITALS


def test_the_distractor_is_the_capital_of_the_corrupted_country():
    task, words = made()
    pairs = task.search.pairs
    for ids, (first, past), wrong in zip(pairs.corrupted.tolist(), pairs.subject, pairs.distractors, strict=True):
        assert CAPITALS[words.decode(ids[first:past]).strip()] == words.decode(wrong.tolist()).strip()


@pytest.mark.parametrize(("tokenizer", "length"), [(WordTokenizer, 1), (Halves, 2), (Letters, 7)])
def test_countries_have_as_many_tokens_as_most_have(tokenizer, length):
    """Most countries have more than six letters; of those whose capitals begin with different ones most have seven."""
    task, _ = made(tokenizer, answers="first_token", train=4, validation=2)
    spans = torch.cat([part.pairs.subject for part in (task.search, task.heldout)])
    assert set((spans[:, 1] - spans[:, 0]).tolist()) == {length}


def test_capitals_of_several_tokens_are_asked_for_by_their_first():
    words = Halves(name="halves")
    single, first = (set(country_capital._askable(words, rule)[1]) for rule in ("single_token", "first_token"))
    assert max(len(CAPITALS[country]) for country in single) == 6
    assert max(len(CAPITALS[country]) for country in first) > 6


def test_the_description_says_that_answers_are_first_tokens():
    task, _ = made(Halves, answers="first_token")
    assert task.description.split(";")[0].endswith("scored by the first token of the capital")


def test_capitals_that_begin_alike_are_asked_for_once():
    _, countries = country_capital._askable(Letters(name="letters"), "first_token")
    initials = [CAPITALS[country][0] for country in countries]
    assert len(set(initials)) == len(initials)


def test_too_few_capitals_are_refused():
    with pytest.raises(DataError, match=r"of \d+ countries the tokenizer writes 0 .*\n  hint: answers: first_token"):
        made(Letters)


def test_there_are_eighty_countries_and_no_two_share_a_capital():
    assert len(CAPITALS) >= 80
    assert len(set(CAPITALS.values())) == len(CAPITALS)
