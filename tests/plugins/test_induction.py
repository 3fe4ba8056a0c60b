from dataclasses import replace

import pytest
from mechint.plugins import induction

from mechint.errors import DataError
from tests.plugins.test_copy import ids_of, model_of
from tests.tiny import metric_named
from tests.words import WordTokenizer, word_subject

WORDS = [f"{a}{b}" for a in "bcdfg" for b in ("at", "en", "ip", "og", "up")]


def made(subject, **options):
    settings = induction.Options(examples={"train": 20, "validation": 10}, min_accuracy=0, **options)
    return induction.mechint_task(subject=subject, options=settings, metric=metric_named("logit_diff"))


def reader():
    """A model of 25 words, three punctuation marks, two words without a space and the beginning of a text."""
    words = WordTokenizer(name="words")
    words.encode(f"a {' '.join(WORDS)} . ?\\ncat")
    return replace(word_subject(n_vocab=len(words.ids), context=64), tokenizer=lambda: words), words


def test_random_sequences_are_made_of_words():
    subject, words = reader()
    shown = {words.decode([id_]) for row in ids_of(made(subject, length=5).search) for id_ in row}
    assert shown == {f" {word}" for word in WORDS}


def test_the_half_of_the_sequence_repeats_after_a_gap():
    """Of 8 tokens 4 come again, and the fifth is the answer."""
    examples = made(model_of(60), ids=(0, 59), length=8).search
    for ids, answer, wrong in zip(ids_of(examples), examples.pairs.answers, examples.pairs.distractors, strict=True):
        assert ids[-4:] == ids[:4]
        assert answer.tolist() == [ids[4]]
        assert int(wrong) in ids[5:8]
        assert len(set(ids)) == len(ids) - 4


def test_gaps_are_the_templates():
    examples = made(model_of(60), ids=(0, 59), length=8).search
    lengths = {
        (int(template), len(ids)) for template, ids in zip(examples.pairs.template, ids_of(examples), strict=True)
    }
    assert sorted(length for _, length in lengths) == [12, 14, 16, 18]


def test_a_corrupted_prompt_has_nothing_that_repeats():
    examples = made(model_of(60), ids=(0, 59), length=8).search
    for ids, clean in zip(ids_of(examples, corrupted=True), ids_of(examples), strict=True):
        assert len(set(ids)) == len(ids)
        assert set(ids[:8]).isdisjoint(clean)
        assert ids[8:] == clean[8:]


def test_too_few_tokens_are_refused():
    with pytest.raises(DataError, match=r"of 8 tokens are drawn from 22 tokens at least, and there are 20\n.*task.ids"):
        made(model_of(60), ids=(10, 29), length=8)


def test_a_checkpoint_without_a_tokenizer_needs_ids():
    with pytest.raises(DataError, match=r"comes without a tokenizer\n(.*\n)*  hint: or state token ids: task.ids"):
        made(model_of(60))


@pytest.mark.parametrize("options", [{"length": 8}, {"ids": (0, 9)}])
def test_options_of_random_sequences_are_refused_for_text(options):
    with pytest.raises(DataError, match=r"are about random sequences, and task\.kind is text"):
        made(word_subject(), kind="text", **options)
