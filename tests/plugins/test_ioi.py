import re
from random import Random

import pytest
from mechint.plugins import ioi

from mechint.task.templates import in_turn

NAMES = ["Ann", "Bob", "Cat", "Dan", "Eve", "Flo"]


def prompts(corruption, order, count=20):
    """Prompts about Ann and Bob."""
    templates = [(name, text) for name, text in ioi.TEMPLATES.items() if name.endswith(order)]
    maker = ioi._Maker(
        templates=in_turn(templates, 0), names=NAMES, places=["park"], presents=["key"], corruption=corruption
    )
    generator = Random(0)
    return [maker.make(("Ann", "Bob"), generator) for _ in range(count)]


def mentions(text):
    return [name for name in re.findall(r"[A-Z]\w+", text) if name in NAMES]


def test_eight_wordings_at_least_come_in_both_orders():
    assert len(ioi.WORDINGS) >= 8
    assert len(ioi.TEMPLATES) == 2 * len(ioi.WORDINGS)


def test_abba_names_the_answer_first():
    for prompt in prompts("swapped", "ABBA"):
        first, second, third = mentions(prompt.clean)
        assert prompt.answers == (f" {first}",)
        assert second == third


def test_baba_names_the_answer_second():
    for prompt in prompts("swapped", "BABA"):
        first, second, third = mentions(prompt.clean)
        assert prompt.answers == (f" {second}",)
        assert first == third


@pytest.mark.parametrize("order", ["ABBA", "BABA"])
def test_swapped_people_change_roles(order):
    for prompt in prompts("swapped", order):
        *_, clean = mentions(prompt.clean)
        *_, corrupted = mentions(prompt.corrupted)
        assert (prompt.distractors, prompt.answers) == ((f" {clean}",), (f" {corrupted}",))


@pytest.mark.parametrize("order", ["ABBA", "BABA"])
def test_abc_names_three_others_once(order):
    for prompt in prompts("abc", order):
        assert len(set(mentions(prompt.corrupted)) - {"Ann", "Bob"}) == 3


@pytest.mark.parametrize("order", ["ABBA", "BABA"])
def test_random_names_keep_the_roles(order):
    for prompt in prompts("random", order):
        clean, corrupted = mentions(prompt.clean), mentions(prompt.corrupted)
        assert set(clean).isdisjoint(corrupted)
        assert [corrupted.index(name) for name in corrupted] == [clean.index(name) for name in clean]


def test_both_people_are_givers():
    assert {prompt.distractors[0] for prompt in prompts("swapped", "ABBA")} == {" Ann", " Bob"}
