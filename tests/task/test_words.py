import importlib
import pkgutil

import pytest

from mechint.task import words
from mechint.task.words.nouns import PRESENTS
from mechint.task.words.people import FAMILY_NAMES, MEN, WOMEN

LISTS = [
    (module.name, name)
    for module in pkgutil.iter_modules(words.__path__)
    for name in importlib.import_module(f"{words.__name__}.{module.name}").__all__
]


@pytest.mark.parametrize(("module", "name"), LISTS)
def test_no_word_comes_twice(module, name):
    listed = list(getattr(importlib.import_module(f"{words.__name__}.{module}"), name))
    assert len(set(listed)) == len(listed) >= 10


def test_a_name_has_one_gender_and_is_no_family_name():
    assert len({*MEN, *WOMEN, *FAMILY_NAMES}) == len(MEN) + len(WOMEN) + len(FAMILY_NAMES)


@pytest.mark.parametrize("present", PRESENTS)
def test_presents_follow_the_article_a(present):
    assert present[0] not in "aeiou"
