from random import Random

from mechint.plugins import gendered_pronoun

from mechint.task.templates import in_turn

WOMEN, MEN = ["Ann", "Eve", "Flo"], ["Bob", "Dan"]


def prompts(count=12):
    templates = [("tag", "So {name} is a {quality} {role}, isn't")]
    maker = gendered_pronoun._Maker(templates=in_turn(templates, 0), qualities=["kind"], roles=["friend"])
    generator = Random(0)
    return [maker.make(("Ann", "Bob"), generator) for _ in range(count)]


def test_each_gender_has_its_pronoun():
    shown = {(prompt.clean, prompt.answers, prompt.distractors) for prompt in prompts()}
    assert shown == {
        ("So Ann is a kind friend, isn't", (" she",), (" he",)),
        ("So Bob is a kind friend, isn't", (" he",), (" she",)),
    }


def test_the_corrupted_prompt_has_a_name_of_the_other_gender():
    for prompt in prompts():
        assert {prompt.clean.split()[1], prompt.corrupted.split()[1]} == {"Ann", "Bob"}


def test_names_are_paired_once():
    couples = gendered_pronoun._couples(WOMEN, MEN, Random(0))
    women, men = zip(*couples, strict=True)
    assert (len(set(women)), sorted(men)) == (2, ["Bob", "Dan"])
    assert set(women) <= set(WOMEN)
