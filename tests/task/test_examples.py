import torch

from mechint.task.examples import Examples

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
