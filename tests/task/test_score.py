import pytest
import torch

from mechint.task import score as module
from mechint.task.score import read_loss, read_scores
from tests.tiny import examples_from, metric_named, random_model, subject_of

MODEL = random_model()
SUBJECT = subject_of(MODEL)
EXAMPLES = examples_from(MODEL, 5, seed=1)  # 30 scored positions over 11 tokens
NAMES = ("loss", "perplexity", "accuracy", "kl_div", "agreement")


def scores(most, monkeypatch):
    monkeypatch.setattr(module, "MOST_LOGITS", most)
    with torch.no_grad():
        readout = SUBJECT.readout(EXAMPLES.tokens, EXAMPLES.mask, EXAMPLES.where)
        other = SUBJECT.readout(EXAMPLES.tokens.flip(1), EXAMPLES.mask, EXAMPLES.where)
        return read_scores([metric_named(name) for name in NAMES], readout, EXAMPLES, other)


@pytest.mark.parametrize("most", [1, 11, 77, 329])
def test_in_pieces_they_are_what_they_are_at_once(most, monkeypatch):
    """From one position at a time to two uneven halves; 330 logits in all."""
    whole, pieces = scores(1 << 24, monkeypatch), scores(most, monkeypatch)
    for name in NAMES:
        torch.testing.assert_close(pieces[name], whole[name], atol=1e-6, rtol=1e-6)


def gradient(most, monkeypatch):
    monkeypatch.setattr(module, "MOST_LOGITS", most)
    readout = SUBJECT.readout(EXAMPLES.tokens, EXAMPLES.mask, EXAMPLES.where)
    leaf = readout.last.detach().requires_grad_()
    loss = read_loss(
        metric_named("loss"), type(readout)(last=leaf, unembed=readout.unembed, n_vocab=11), EXAMPLES, None
    )
    return torch.autograd.grad(loss.sum(), leaf)[0]


def test_in_pieces_the_gradient_is_the_same(monkeypatch):
    torch.testing.assert_close(gradient(77, monkeypatch), gradient(1 << 24, monkeypatch))


def largest_logits(most, monkeypatch):
    """The most logits that the unembedding is asked for in one call."""
    calls = []
    handle = MODEL.lm_head.register_forward_hook(lambda module, arguments, result: calls.append(result.numel()))
    try:
        gradient(most, monkeypatch)
    finally:
        handle.remove()
    return max(calls)


def test_logits_of_all_positions_are_never_made_at_once(monkeypatch):
    assert largest_logits(77, monkeypatch) == 77
    assert largest_logits(1 << 24, monkeypatch) == 330
