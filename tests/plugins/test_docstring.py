import re
from random import Random

import pytest
from mechint.plugins import docstring

from mechint.task.templates import in_turn

ARGUMENTS = [f"arg{n}" for n in range(12)]
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "dogs"]


def prompts(corruption="definition", template="param", count=10):
    maker = docstring._Maker(
        templates=in_turn([(template, docstring.TEMPLATES[template])], 0),
        arguments=ARGUMENTS,
        functions=["run"],
        words=WORDS,
        corruption=corruption,
    )
    generator = Random(0)
    return [maker.make(("arg0", "arg1"), generator) for _ in range(count)]


def parts(text):
    """The arguments of the definition, and those of the docstring."""
    definition, _, rest = text.partition('"""')
    return re.findall(r"arg\d+", definition), re.findall(r"arg\d+", rest)


@pytest.mark.parametrize("template", docstring.TEMPLATES)
def test_the_answer_is_the_third_argument_and_two_are_described(template):
    for prompt in prompts(template=template):
        taken, described = parts(prompt.clean)
        assert described == taken[:2]
        assert prompt.answers == (f" {taken[2]}",)
        assert set(prompt.distractors) == {f" {taken[place]}" for place in (0, 1, 3)}


@pytest.mark.parametrize("template", docstring.TEMPLATES)
def test_the_prompt_ends_where_a_line_for_an_argument_begins(template):
    for prompt in prompts(template=template):
        *_, described, last = prompt.clean.split("\n")
        assert described.startswith(f"{last} arg")


@pytest.mark.parametrize(
    ("corruption", "definition", "described"),
    [("definition", 4, 0), ("docstring", 0, 2), ("both", 4, 2)],
)
def test_arguments_are_replaced_where_asked(corruption, definition, described):
    for prompt in prompts(corruption):
        clean, corrupted = parts(prompt.clean), parts(prompt.corrupted)
        replaced = [sum(a != b for a, b in zip(*both, strict=True)) for both in zip(clean, corrupted, strict=True)]
        assert replaced == [definition, described]


def test_what_replaces_is_not_in_the_clean_prompt():
    for prompt in prompts("both"):
        clean, corrupted = (
            {name for part in parts(text) for name in part} for text in (prompt.clean, prompt.corrupted)
        )
        assert clean.isdisjoint(corrupted)
        assert len(corrupted) == 6
