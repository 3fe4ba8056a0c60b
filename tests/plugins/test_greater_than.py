import re
from dataclasses import replace

import pytest
from mechint.plugins import greater_than

from mechint.errors import DataError
from tests.tiny import metric_named
from tests.words import WordTokenizer, word_subject


class YearTokenizer(WordTokenizer):
    """Words are tokens; how digits become tokens is the subclass's."""

    number = ""

    def encode(self, text):
        pieces = re.findall(rf"{self.number}|\s?[^\W\d]+|\s?[^\w\s]|\s", text)
        return [self.ids.setdefault(piece, len(self.ids)) for piece in pieces]


class Pairs(YearTokenizer):
    number = r"\s?\d\d"


class RoundYears(YearTokenizer):
    """As GPT-2: a century is one token."""

    number = r"\s1[1-7]00|\s?\d\d"


class Digits(YearTokenizer):
    number = r"\d"


class Threes(YearTokenizer):
    """As Llama 3: 1732 is 173 and 2."""

    number = r"\s?\d{1,3}"


def made(tokenizer):
    words = tokenizer(name="years")
    subject = replace(word_subject(n_vocab=2000, context=64), tokenizer=lambda: words)
    options = greater_than.Options(examples={"train": 40, "validation": 20}, min_accuracy=0)
    return greater_than.mechint_task(subject=subject, options=options, metric=metric_named("prob_diff")), words


def read(tokenizer):
    """Of every prompt to search on: the year of the century, and the numbers that are right and wrong."""
    task, words = made(tokenizer)
    pairs = task.search.pairs
    for ids, *sets in zip(task.search.tokens.tolist(), pairs.answers.tolist(), pairs.distractors.tolist(), strict=True):
        (year,) = re.findall(r"\d\d(\d\d)", words.decode(ids))
        yield int(year), *({int(words.decode([id_])) for id_ in row if id_ >= 0} for row in sets)


def test_two_digits_are_compared_where_they_are_a_token():
    for year, right, wrong in read(Pairs):
        assert right == set(range(year + 1, 100))
        assert wrong == set(range(year + 1))


def test_a_number_that_the_tokenizer_joins_with_its_century_is_neither():
    for year, right, wrong in read(RoundYears):
        assert right == set(range(year + 1, 100))
        assert wrong == set(range(1, year + 1))


def test_third_digits_are_compared_where_a_digit_is_a_token():
    """Of 1732: 4 to 9 are right, 0 to 2 are wrong, and 3 is neither."""
    for year, right, wrong in read(Digits):
        assert right == set(range(year // 10 + 1, 10))
        assert wrong == set(range(year // 10))
        assert right
        assert wrong


def test_other_tokenizers_are_refused_with_what_they_make_of_a_year():
    with pytest.raises(DataError, match=r"writes 'the year 1732' as 'the' ' year' ' 173' '2'; the task needs"):
        made(Threes)


@pytest.mark.parametrize(("tokenizer", "asked"), [(Pairs, "the last two digits"), (Digits, "the third digit")])
def test_the_description_says_what_is_asked(tokenizer, asked):
    task, _ = made(tokenizer)
    assert task.description.startswith(f"greater-than, {asked} of a later year: 5 templates, ")


@pytest.mark.parametrize("tokenizer", [Pairs, Digits])
def test_corrupted_prompts_start_in_the_first_year_of_the_same_century(tokenizer):
    task, words = made(tokenizer)
    for clean, corrupted in zip(task.search.tokens.tolist(), task.search.pairs.corrupted.tolist(), strict=True):
        century, year = re.findall(r"(\d\d)(\d\d)", words.decode(clean))[0]
        assert words.decode(corrupted) == words.decode(clean).replace(f"{century}{year}", f"{century}01")
