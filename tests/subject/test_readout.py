from dataclasses import replace

import pytest
import torch
from torch import nn

from mechint.subject.nanogpt import GPT
from mechint.subject.readout import Readout, Unembedding
from tests.subject.families import FAMILIES, open_family, save
from tests.tiny import random_model, subject_of

MODEL = random_model()
SUBJECT = subject_of(MODEL)
TOKENS = torch.randint(11, (3, 6), generator=torch.Generator().manual_seed(0))
WHERE = torch.rand(3, 6, generator=torch.Generator().manual_seed(1)) < 0.4


class Capped(GPT):
    """Does more to its logits after the unembedding, as Gemma 2 does."""

    def forward(self, tokens, mask=None):
        return super().forward(tokens, mask).div(2).tanh().mul(2)


def capped_subject():
    model = Capped(MODEL.config)
    model.load_state_dict(MODEL.state_dict())
    return replace(subject_of(model), unembedding=Unembedding(path="lm_head", last=False))


@pytest.mark.parametrize(
    "subject", [SUBJECT, replace(SUBJECT, unembedding=None), capped_subject()], ids=["last", "unknown", "capped"]
)
def test_predictions_are_those_of_the_whole_forward_pass(subject):
    with torch.no_grad():
        torch.testing.assert_close(subject.readout(TOKENS, None, WHERE).logits(), subject.logits(TOKENS)[WHERE])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_can_be_read_out(family, tmp_path):
    subject = open_family(save(FAMILIES[family], tmp_path))
    tokens = TOKENS % subject.shape.n_vocab
    assert subject.unembedding is not None
    assert subject.unembedding.last == (not family.startswith("gemma2"))
    with torch.no_grad():
        torch.testing.assert_close(subject.readout(tokens, None, WHERE).logits(), subject.logits(tokens)[WHERE])


@pytest.mark.parametrize(
    "subject", [SUBJECT, replace(SUBJECT, unembedding=None), capped_subject()], ids=["last", "unknown", "capped"]
)
def test_logits_of_some_tokens_are_those_among_all(subject):
    readout = subject.readout(TOKENS, None, WHERE)
    ids = torch.randint(11, (int(WHERE.sum()), 2), generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(readout.logits_of(ids), readout.logits().gather(1, ids))
    torch.testing.assert_close(readout.logits_of(ids[1:3], slice(1, 3)), readout.logits_of(ids)[1:3])


def test_logits_of_some_tokens_have_their_biases():
    unembed = nn.Linear(8, 11)
    readout = Readout(last=torch.randn(4, 8), unembed=unembed, n_vocab=11)
    ids = torch.tensor([[0], [3], [3], [10]])
    torch.testing.assert_close(readout.logits_of(ids), unembed(readout.last).gather(1, ids))


def test_logits_of_some_tokens_are_made_alone():
    made = []
    handle = MODEL.lm_head.register_forward_hook(lambda module, arguments, result: made.append(result.numel()))
    SUBJECT.readout(TOKENS, None, WHERE).logits_of(torch.zeros(int(WHERE.sum()), 1, dtype=torch.long))
    handle.remove()
    assert made == [0]


def test_the_model_is_left_without_hooks():
    SUBJECT.readout(TOKENS, None, WHERE)
    assert not MODEL.lm_head._forward_pre_hooks


def test_a_run_makes_no_logits():
    made = []
    handle = MODEL.lm_head.register_forward_hook(lambda module, arguments, result: made.append(result.numel()))
    SUBJECT.run(TOKENS)
    handle.remove()
    assert made == [0]


def test_pieces_cover_the_positions():
    readout = SUBJECT.readout(TOKENS, None, torch.ones_like(TOKENS, dtype=torch.bool))
    assert [(piece.start, piece.stop) for piece in readout.pieces(7 * 11)] == [(0, 7), (7, 14), (14, 21)]


def test_logits_are_float32_at_least():
    half = subject_of(random_model().bfloat16())
    assert half.readout(TOKENS, None, WHERE).logits().dtype == torch.float32
    assert isinstance(half.module("lm_head"), nn.Linear)
