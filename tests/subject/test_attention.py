"""Every variant's attention, against its formula written out."""

import pytest
import torch

from mechint.subject.attention import Attention, FoldedAttention
from tests.variants import CONTEXT, HEADS, VARIANTS, WIDTH, plain_logits, variant_model, variant_tokens

PADDED = {"left": (3, 7), "right": (0, 4)}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_computes_its_formula(name):
    model, tokens = variant_model(name), variant_tokens()
    plain = plain_logits(model.state_dict(), tokens, activation=model.config.activation)
    torch.testing.assert_close(model(tokens), plain.float(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("side", PADDED)
@pytest.mark.parametrize("name", VARIANTS)
def test_padding_changes_no_logit_of_a_real_token(name, side):
    """The second row is four tokens long; the padding holds other tokens."""
    model, tokens, (start, end) = variant_model(name), variant_tokens(), PADDED[side]
    mask = torch.zeros(2, 7, dtype=torch.bool)
    mask[0], mask[1, start:end] = True, True
    padded = model(tokens, mask)
    torch.testing.assert_close(padded[:1], model(tokens[:1]), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(padded[1:, start:end], model(tokens[1:, start:end]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", VARIANTS)
def test_no_logit_depends_on_a_later_token(name):
    model, tokens = variant_model(name), variant_tokens(length=CONTEXT)
    changed = tokens.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 13
    assert torch.equal(model(tokens)[:, :5], model(changed)[:, :5])
    assert not torch.equal(model(tokens)[:, 5:], model(changed)[:, 5:])


def test_a_reciprocal_term_starts_without_effect():
    usual, reciprocal = Attention(WIDTH, HEADS, bias=True), Attention(WIDTH, HEADS, bias=True, reciprocal_heads=1)
    reciprocal.load_state_dict(usual.state_dict(), strict=False)
    x = torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(0))
    assert torch.equal(usual(x, None), reciprocal(x, None))


def test_folded_attention_with_gates_of_one_is_the_usual_one():
    usual = Attention(WIDTH, HEADS, bias=False)
    folded = FoldedAttention(WIDTH, HEADS, rank=4, gates=(), restart=False)
    folded.load_state_dict(usual.state_dict() | {"w_std": torch.tensor(1.0), "w_rec": torch.tensor(1.0)})
    x = torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(0))
    assert torch.equal(usual(x, None), folded(x, None))


def test_a_closed_gate_of_folded_attention_has_a_root():
    """Gates start at 4/8 each; a delayed one is zero, and training may push it below."""
    folded = FoldedAttention(WIDTH, HEADS, rank=4, gates=(), restart=False)
    assert folded.w_std.item() == folded.w_rec.item() == 0.5
    torch.nn.init.constant_(folded.w_rec, -0.1)
    assert torch.isfinite(folded(torch.ones(1, 3, WIDTH), None)).all()


def test_a_restart_below_zero_is_none():
    """A restart is held between 0 and one half, as it was in training."""
    folded = FoldedAttention(WIDTH, HEADS, rank=4, gates=(), restart=True)
    x = torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(0))
    torch.nn.init.zeros_(folded.rwr_alpha)
    none = folded(x, None)
    torch.nn.init.constant_(folded.rwr_alpha, -0.2)
    assert torch.equal(folded(x, None), none)
