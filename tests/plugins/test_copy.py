import pytest
from mechint.plugins import copy

from mechint.errors import DataError
from mechint.subject.nanogpt import GPT, GPTConfig
from tests.tiny import metric_named, subject_of


def model_of(n_vocab):
    return subject_of(GPT(GPTConfig(n_layer=1, n_head=1, n_embd=4, block_size=64, vocab_size=n_vocab)))


def ids_of(examples, *, corrupted=False):
    """The prompts without their padding."""
    tokens = examples.pairs.corrupted if corrupted else examples.tokens
    return [row[real].tolist() for row, real in zip(tokens, examples.real, strict=True)]


def made(n_vocab=20, train=20, validation=10, **options):
    settings = copy.Options(examples={"train": train, "validation": validation}, min_accuracy=0, **options)
    return copy.mechint_task(subject=model_of(n_vocab), options=settings, metric=metric_named("logit_diff"))


def test_the_separator_is_the_last_id():
    for ids in ids_of(made().search):
        assert ids[4] == 19
        assert max(ids[:4]) < 19


def test_every_place_but_the_last_is_asked_for():
    assert {len(ids) for ids in ids_of(made(length=4).search)} == {5, 6, 7}


def test_the_corrupted_sequence_has_the_answer_and_the_distractor_exchanged():
    examples = made().search
    pairs = examples.pairs
    for clean, corrupted, answer, wrong in zip(
        ids_of(examples), ids_of(examples, corrupted=True), pairs.answers, pairs.distractors, strict=True
    ):
        exchanged = {int(answer): int(wrong), int(wrong): int(answer)}
        assert corrupted == [exchanged.get(id_, id_) for id_ in clean]


def test_ids_are_as_stated():
    """Of 3 to 8 the separator 5 is left out, so five are left for the sequence."""
    for ids in ids_of(made(ids=(3, 8), separator=5, begin=1, length=3).search):
        assert (ids[0], ids[4]) == (1, 5)
        assert set(ids[1:4]) <= {3, 4, 6, 7, 8}


def test_too_few_ids_are_refused():
    with pytest.raises(DataError, match="sequences of 4 different tokens cannot be made of 3"):
        made(n_vocab=4)


def test_ids_beyond_the_model_are_refused():
    with pytest.raises(DataError, match="the last of the model's token ids is 19"):
        made(ids=(15, 40))
    with pytest.raises(DataError, match="token id 20 is none of the model's 20"):
        made(separator=20)


def test_more_prompts_than_there_are_is_an_error():
    """Three ids give six sequences of two, and each is asked for one token."""
    with pytest.raises(DataError, match=r"asks for 20 prompts; the task can make [1-6] different"):
        made(n_vocab=4, length=2)
