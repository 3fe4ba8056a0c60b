"""What holds for every task that makes its own prompts, read back from the tokens."""

import importlib
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from mechint.errors import CheckpointError, DataError
from mechint.subject.nanogpt import GPT, GPTConfig
from mechint.subject.subject import Subject
from mechint.subject.tokenizer import BytesTokenizer, no_tokenizer
from mechint.task.examples import NO_TOKEN
from mechint.task.task import Task
from tests.tiny import metric_named, subject_of
from tests.words import WordTokenizer, word_subject

SHE = {"Mary", "Anna", "Alice", "Emma", "Sarah", "Laura", "Julia", "Lucy", "Kate", "Jane", "Susan", "Linda", "Lisa",
       "Karen", "Nancy", "Helen", "Ruth", "Emily", "Rachel", "Maria", "Diana", "Olivia", "Claire", "Hannah", "Amy",
       "Ellen", "Anne", "Marie", "Ella", "Eva", "Sally", "Betty", "Molly", "Rosa", "Naomi", "Wendy"}  # fmt: skip
HE = {"John", "James", "David", "Robert", "Thomas", "Daniel", "Paul", "George", "Kevin", "Peter", "Henry", "Adam",
      "Michael", "William", "Richard", "Charles", "Joseph", "Andrew", "Edward", "Eric", "Jack", "Walter", "Roger",
      "Arthur", "Simon", "Oliver", "Martin", "Luke", "Fred", "Tom", "Tim", "Bill", "Mike", "Tony"}  # fmt: skip
CAPITALS = {"France": "Paris", "Japan": "Tokyo", "Egypt": "Cairo", "Peru": "Lima", "Kenya": "Nairobi", "Cuba": "Havana",
            "Norway": "Oslo", "Poland": "Warsaw", "Canada": "Ottawa", "Austria": "Vienna", "Iraq": "Baghdad",
            "Greece": "Athens", "Spain": "Madrid", "Latvia": "Riga", "Ghana": "Accra", "Chile": "Santiago",
            "Turkey": "Ankara", "Nepal": "Kathmandu", "Ireland": "Dublin", "Thailand": "Bangkok",
            "Germany": "Berlin", "Italy": "Rome", "Russia": "Moscow", "Sweden": "Stockholm", "Portugal": "Lisbon",
            "Hungary": "Budapest", "Finland": "Helsinki", "Denmark": "Copenhagen", "Belgium": "Brussels",
            "China": "Beijing", "Vietnam": "Hanoi", "Iran": "Tehran", "Syria": "Damascus"}  # fmt: skip


class NumberTokenizer(WordTokenizer):
    """As GPT-2's: a word with the space before it is a token, without one it is several, and two digits are one."""

    def encode(self, text):
        pieces = re.findall(r" [^\W\d]+|[^\W\d]{1,3}|\s?\d{1,2}|\s?[^\w\s]|\s", text)
        return [self.ids.setdefault(piece, len(self.ids)) for piece in pieces]


def word_reader(tokenizer=NumberTokenizer):
    words = tokenizer(name="words")
    return replace(word_subject(n_vocab=2000, context=256), tokenizer=lambda: words)


def id_reader():
    """A model of 120 token ids without a tokenizer."""
    return subject_of(GPT(GPTConfig(n_layer=1, n_head=1, n_embd=4, block_size=64, vocab_size=120)))


@dataclass(frozen=True, kw_only=True)
class Read:
    """What a prompt says to somebody who knows the behaviour and not the task."""

    answers: set | None
    """None where the prompt is beyond the reader."""
    key: Hashable
    """What must be in one part only."""


def read_ioi(text):
    people = re.search(r"(\w+) and (\w+)", text).groups()
    mentions = re.findall(r"\w+", text)
    return Read(answers={f" {name}" for name in people if mentions.count(name) == 1}, key=frozenset(people))


def read_greater_than(text):
    (year,) = re.findall(r"\d\d(\d\d)", text)
    (event,) = re.findall(r"[Tt]he (\w+) (?:lasted|began|that|went|between)", text)
    return Read(answers={f"{later:02}" for later in range(int(year) + 1, 100)}, key=event)


def read_agreement(text):
    noun, s = re.search(r"[Tt]he (?:\w+ )?(\w+?)(s?)(?= near| behind| with| that|$)", text).groups()
    return Read(answers={" are", " were", " have"} if s else {" is", " was", " has"}, key=noun)


def read_gender(text):
    (name,) = re.findall(r"(?<= )[A-Z]\w+", text)
    return Read(answers={" she"} if name in SHE else {" he"} if name in HE else None, key=name)


def read_docstring(text):
    taken = re.search(r"\(self, (.*)\)", text)[1].split(", ")
    described = [name for name in taken if re.search(rf"^\W+(?:\w+ )?{name}\b", text.partition('"""')[2], re.MULTILINE)]
    assert described == taken[: len(described)]
    answer = taken[len(described)]
    return Read(answers={f" {answer}"}, key=frozenset({described[-1], answer}))


def read_country(text):
    (country,) = re.findall(r"(?:capital|city|government) of ([A-Z]\w+)", text)
    return Read(answers={f" {CAPITALS[country]}"} if country in CAPITALS else None, key=country)


def read_names(text):
    words = re.findall(r"\w+", text)
    answer = words[words.index(words[-1]) + 1]
    return Read(answers={f" {answer}"}, key=(words[-1], answer))


def read_repetition(ids):
    assert ids.count(ids[-1]) == 2
    return Read(answers={ids[ids.index(ids[-1]) + 1]}, key=tuple(ids))


def read_copy(ids):
    sequence = ids[: ids.index(119)]
    done = len(ids) - len(sequence) - 1
    assert ids[len(sequence) + 1 :] == sequence[:done]
    return Read(answers={sequence[done]}, key=tuple(sequence))


def read_sum(ids):
    a, b, equals = ids
    assert equals == 113
    return Read(answers={(a + b) % 113}, key=frozenset({a, b}))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A task with some options, and how its prompts are read."""

    name: str
    read: Callable[[Any], Read]
    changed: int
    """Tokens in which the clean and the corrupted prompt differ."""
    options: dict
    reader: Callable[[], Subject]


@dataclass(frozen=True, kw_only=True)
class Made:
    """A task with its prompts as somebody reads them: text, or ids where there is no text."""

    task: Task
    decode: Callable[[list[int]], Any]

    @property
    def parts(self):
        return [self.task.search, self.task.heldout]

    def clean(self, part):
        return [self.decode(row[real].tolist()) for row, real in zip(part.tokens, part.real, strict=True)]

    def corrupted(self, part):
        return [self.decode(row[real].tolist()) for row, real in zip(part.pairs.corrupted, part.real, strict=True)]

    def answers(self, ids):
        """Sets of answers, as text where there is text."""
        rows = [[id_ for id_ in row if id_ != NO_TOKEN] for row in ids.tolist()]
        return [set(row) if self.decode is list else {self.decode([id_]) for id_ in row} for row in rows]


def make(case, *, seed=0, train=24, validation=12):
    plugin = importlib.import_module(f"mechint.plugins.{case.name}")
    subject = case.reader()
    counts = {"train": train, "validation": validation}
    options = plugin.Options(examples=counts, seed=seed, min_accuracy=0, **case.options)
    task = plugin.mechint_task(subject=subject, options=options, metric=metric_named("logit_diff"))
    return Made(task=task, decode=list if case.reader is id_reader else subject.tokenizer().decode)


def case(name, read, changed, reader=word_reader, **options):
    values = Case(name=name, read=read, changed=changed, options=options, reader=reader)
    return pytest.param(values, id="-".join([name, *(str(value) for value in options.values())]))


CASES = [
    case("ioi", read_ioi, 1),
    case("ioi", read_ioi, 3, corruption="abc"),
    case("ioi", read_ioi, 3, corruption="random"),
    case("greater_than", read_greater_than, 1),
    case("subject_verb_agreement", read_agreement, 1),
    case("subject_verb_agreement", read_agreement, 1, attractor="opposite"),
    case("gendered_pronoun", read_gender, 1),
    case("docstring", read_docstring, 4),
    case("docstring", read_docstring, 2, corruption="docstring"),
    case("docstring", read_docstring, 6, corruption="both"),
    case("country_capital", read_country, 1),
    case("induction", read_names, 2, kind="text"),
    case("induction", read_repetition, 8, reader=id_reader, length=8, ids=(3, 80)),
    case("copy", read_copy, 2, reader=id_reader, length=5),
    case("modular_addition", read_sum, 1, reader=id_reader),
]


@pytest.fixture(scope="module", params=CASES)
def each(request):
    return request.param


@pytest.fixture(scope="module")
def made(each):
    return make(each)


def test_there_are_as_many_prompts_as_asked(made):
    assert [len(part) for part in made.parts] == [24, 12]


def test_no_prompt_comes_twice(made):
    prompts = [str(prompt) for part in made.parts for prompt in made.clean(part)]
    assert len(set(prompts)) == 36


def test_both_parts_share_nothing_that_decides(each, made):
    search, heldout = ({each.read(prompt).key for prompt in made.clean(part)} for part in made.parts)
    assert search.isdisjoint(heldout)


@pytest.mark.parametrize("name", ["gendered_pronoun", "country_capital", "subject_verb_agreement"])
def test_nothing_in_a_corrupted_prompt_decides_in_the_other_part(name):
    (each,) = [param.values[0] for param in CASES if param.id == name]
    made = make(each)
    shown = [[*made.clean(part), *made.corrupted(part)] for part in made.parts]
    search, heldout = ({each.read(prompt).key for prompt in prompts} for prompts in shown)
    assert search.isdisjoint(heldout)


def test_the_answers_are_what_a_reader_says(each, made):
    read = [each.read(prompt).answers for part in made.parts for prompt in made.clean(part)]
    said = [answers for part in made.parts for answers in made.answers(part.pairs.answers)]
    known = [(one, other) for one, other in zip(read, said, strict=True) if one is not None]
    assert len(known) >= 6
    assert [one for one, _ in known] == [other for _, other in known]


def test_answers_and_distractors_differ(made):
    for part in made.parts:
        both = zip(made.answers(part.pairs.answers), made.answers(part.pairs.distractors), strict=True)
        assert all(answers and distractors and answers.isdisjoint(distractors) for answers, distractors in both)


def test_clean_and_corrupted_prompts_align_and_differ_where_they_should(each, made):
    for part in made.parts:
        pairs = part.pairs
        assert (pairs.corrupted_mask is None) == (part.mask is None)
        assert part.mask is None or torch.equal(pairs.corrupted_mask, part.mask)
        assert (part.tokens != pairs.corrupted).sum(1).tolist() == [each.changed] * len(part)


def test_prompts_of_a_template_have_as_many_tokens(made):
    assert all(part.aligned for part in made.parts)


def test_every_template_is_in_both_parts(made):
    search, heldout = (set(part.pairs.template.tolist()) for part in made.parts)
    assert heldout <= search


def test_the_prompt_is_scored_at_its_end(made):
    for part in made.parts:
        assert torch.equal(part.where.long().argmax(1), part.real.sum(1) - 1)
        assert part.where.sum(1).tolist() == [1] * len(part)


def test_the_seed_decides_every_byte(each, made):
    """The words of another tokenizer get other ids, so the first prompts are made twice from the beginning."""
    hashes = [[part.sha256 for part in make(each, seed=seed).parts] for seed in (0, 1)]
    assert hashes[0] == [part.sha256 for part in made.parts]
    assert set(hashes[0]).isdisjoint(hashes[1])


TEXT = ["ioi", "greater_than", "subject_verb_agreement", "gendered_pronoun", "docstring", "country_capital"]


def from_text(name, tokenizer, **options):
    plugin = importlib.import_module(f"mechint.plugins.{name}")
    subject = replace(word_subject(n_vocab=2000, context=256), tokenizer=tokenizer)
    settings = plugin.Options(examples={"train": 8, "validation": 4}, **options)
    return plugin.mechint_task(subject=subject, options=settings, metric=metric_named("logit_diff"))


@pytest.mark.parametrize("name", TEXT)
def test_a_tokenizer_without_words_is_refused(name):
    with pytest.raises(DataError, match=r"the tokenizer writes .* the task needs"):
        from_text(name, BytesTokenizer)


@pytest.mark.parametrize("name", TEXT)
def test_a_checkpoint_without_a_tokenizer_is_refused(name):
    with pytest.raises(CheckpointError, match="comes without a tokenizer"):
        from_text(name, no_tokenizer)


@pytest.mark.parametrize("name", TEXT)
def test_a_model_that_has_learned_nothing_is_refused(name):
    words = NumberTokenizer(name="words")
    with pytest.raises(DataError, match=r"does not show this behaviour: accuracy 0\.\d+ < 0\.99 "):
        from_text(name, lambda: words, min_accuracy=0.99)


@pytest.mark.parametrize("name", TEXT)
def test_templates_are_chosen_by_name(name):
    options = importlib.import_module(f"mechint.plugins.{name}").Options
    *_, last = importlib.import_module(f"mechint.plugins.{name}").TEMPLATES
    words = NumberTokenizer(name="words")
    task = from_text(name, lambda: words, templates=[last], min_accuracy=0)
    assert set(task.search.pairs.template.tolist()) == {0}
    with pytest.raises(ValidationError, match=f"'{last}'"):
        options(templates=["no such"])
