from random import Random

import pytest
from mechint.plugins import subject_verb_agreement as agreement

from mechint.errors import DataError
from mechint.task.templates import in_turn
from tests.words import WordTokenizer


def prompts(attractor, template="near", count=20):
    maker = agreement._Maker(
        templates=in_turn([(template, agreement.TEMPLATES[template])], 0),
        people=["boy", "king"],
        nouns=["key", "boy", "king"],
        adjectives=["old"],
        verbs=[("is", "are")],
        attractor=attractor,
    )
    generator = Random(0)
    return [maker.make("key", generator) for _ in range(count)]


@pytest.mark.parametrize(("attractor", "same"), [("same", {True}), ("opposite", {False}), ("either", {True, False})])
def test_the_attractors_number_is_as_asked(attractor, same):
    shown = [prompt.clean.split() for prompt in prompts(attractor)]
    assert {subject.endswith("s") == noun.endswith("s") for _, subject, _, _, noun in shown} == same


def test_both_numbers_are_asked_for():
    assert {prompt.answers for prompt in prompts("either")} == {(" is",), (" are",)}


def test_the_corrupted_subject_has_the_other_number():
    for prompt in prompts("either", "simple"):
        assert {prompt.clean, prompt.corrupted} == {"The old key", "The old keys"}


def test_a_noun_does_not_attract_its_own_verb():
    assert not any("near the key" in prompt.clean for prompt in prompts("either"))


def test_verbs_count_with_both_forms():
    """A tokenizer that writes "were" and "has" as two tokens leaves is/are."""

    class Some(WordTokenizer):
        def encode(self, text):
            return WordTokenizer.encode(self, text.replace("were", "we re").replace("has", "ha s"))

    assert agreement._keep_verbs(Some(name="some")) == [("is", "are")]


def test_verbs_without_a_pair_are_refused():
    """Two single tokens are left of six, and they are forms of two verbs."""

    class Few(WordTokenizer):
        def encode(self, text):
            words = {"are": "a re", "was": "w as", "has": "ha s", "were": "we re"}
            return WordTokenizer.encode(self, " ".join(words.get(word, word) for word in text.split()))

    with pytest.raises(DataError, match="of no verb"):
        agreement._keep_verbs(Few(name="few"))
