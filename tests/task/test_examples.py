from dataclasses import replace

import pytest
import torch

from mechint.task.examples import Examples, Pairs

EXAMPLES = Examples(tokens=torch.arange(10).view(5, 2), targets=torch.arange(10).view(5, 2) + 1)


def test_batches_cover_the_examples_in_order():
    parts = [batch.tokens[:, 0].tolist() for batch in EXAMPLES.batches(2)]
    assert parts == [[0, 2], [4, 6], [8]]


def test_the_hash_follows_the_content():
    changed = Examples(tokens=EXAMPLES.tokens, targets=EXAMPLES.targets + 1)
    assert EXAMPLES.sha256 == EXAMPLES.take(slice(None)).sha256 != changed.sha256


def test_the_hash_follows_the_shape():
    reshaped = Examples(tokens=EXAMPLES.tokens.view(2, 5), targets=EXAMPLES.targets.view(2, 5))
    assert reshaped.sha256 != EXAMPLES.sha256


PROMPTS = Examples(
    tokens=torch.arange(6).view(3, 2),
    targets=torch.arange(6).view(3, 2),
    weight=torch.tensor([1.0, 1.0, 2.0]),
    pairs=Pairs(answers=torch.tensor([[7], [8], [9]]), template=torch.tensor([0, 0, 1]), aligned=True),
)


def test_rows_take_everything_with_them():
    taken = PROMPTS.take(torch.tensor([2, 0]))
    assert (taken.tokens[:, 0].tolist(), taken.weight.tolist()) == ([4, 0], [2.0, 1.0])
    assert (taken.pairs.answers.flatten().tolist(), taken.pairs.template.tolist()) == ([9, 7], [1, 0])


def test_a_mean_goes_by_the_weights():
    """(1 + 2 + 2 * 6) / 4, and for the second row 0."""
    assert PROMPTS.mean(torch.tensor([[1.0, 2.0, 6.0], [0.0, 0.0, 0.0]])).tolist() == [3.75, 0.0]


def test_the_hash_follows_the_answers():
    changed = replace(PROMPTS, pairs=replace(PROMPTS.pairs, answers=torch.tensor([[7], [8], [6]])))
    assert changed.sha256 != PROMPTS.sha256


def test_metrics_are_told_what_examples_have():
    assert EXAMPLES.gives == {"full"}
    assert PROMPTS.gives == {"full", "answers"}


@pytest.mark.parametrize(
    ("mask", "nth"),
    [([True, True, True], [0, 1, 2]), ([False, True, True], [0, 0, 1]), ([True, True, False], [0, 1, 1])],
)
def test_tokens_are_counted_from_the_first_real_one(mask, nth):
    tokens = torch.zeros(1, 3, dtype=torch.long)
    assert Examples(tokens=tokens, targets=tokens, mask=torch.tensor([mask])).nth.tolist() == [nth]
