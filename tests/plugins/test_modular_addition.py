import pytest
from mechint.plugins import modular_addition

from mechint.errors import DataError
from tests.plugins.test_copy import model_of
from tests.tiny import metric_named


def made(n_vocab=8, train=8, validation=4, **options):
    settings = modular_addition.Options(examples={"train": train, "validation": validation}, min_accuracy=0, **options)
    return modular_addition.mechint_task(subject=model_of(n_vocab), options=settings, metric=metric_named("logit_diff"))


def test_the_distractor_is_what_the_corrupted_terms_add_up_to():
    examples = made(p=7).search
    for (a, b, equals), wrong in zip(examples.pairs.corrupted.tolist(), examples.pairs.distractors, strict=True):
        assert equals == 7
        assert wrong.tolist() == [(a + b) % 7]


def test_the_sign_may_be_another_token():
    assert set(made(p=7, equals=9, n_vocab=10).search.tokens[:, 2].tolist()) == {9}


@pytest.mark.parametrize(("share", "counts"), [(1.0, (21, 7)), (0.5, (10, 4))])
def test_a_share_of_all_sums_is_parted_as_the_counts_are(share, counts):
    """7 numbers give 28 sums without regard to order; three quarters of all are 21, of 14 they are 10.5, rounded."""
    task = made(p=7, train=300, validation=100, share=share)
    assert (len(task.search), len(task.heldout)) == counts


def test_a_share_uses_every_sum_once():
    task = made(p=7, share=1)
    sums = [frozenset(row[:2]) for part in (task.search, task.heldout) for row in part.tokens.tolist()]
    assert len(set(sums)) == len(sums) == 28


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"equals": 3}, "task.equals is 3, which stands for a number; those are 0 to 6"),
        ({"share": 0.1}, r"task.share 0.1 of 28 sums leaves a part of fewer than 2"),
        ({"train": 60}, r"task.examples.train asks for 60 prompts; the task can make \d+ different ones"),
        ({"n_vocab": 7}, "token id 7 is none of the model's 7"),
    ],
)
def test_what_cannot_be_made_is_refused(options, message):
    with pytest.raises(DataError, match=message):
        made(p=7, **options)
