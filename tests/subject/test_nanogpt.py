"""The sites of every variant, against what its own modules give."""

import pytest
import torch

from mechint.circuit.space import Site
from mechint.subject.gpt2 import architecture_of
from mechint.subject.intervene import capture, edited
from mechint.subject.nanogpt import shape_of
from mechint.subject.subject import Subject
from tests.variants import VARIANTS, WIDTH, variant_model, variant_tokens

TOKENS = variant_tokens()
LAYER = 1
UNTIED = [name for name in VARIANTS if name != "kv-tied"]


def subject_of(name):
    model = variant_model(name)
    return Subject(
        model=model,
        architecture=architecture_of(model.config),
        shape=shape_of(model.config),
        name="tiny.pt",
        sha256="0" * 64,
        step=None,
    )


def captured(name, *kinds):
    subject = subject_of(name)
    seen = capture(subject, [Site(LAYER, kind) for kind in kinds], TOKENS)
    return subject.block(LAYER), [seen[Site(LAYER, kind)] for kind in kinds]


@pytest.mark.parametrize("name", VARIANTS)
def test_q_k_and_v_are_what_the_projection_gives(name):
    block, (stream, q, k, v) = captured(name, "resid_pre", "q", "k", "v")
    q_k_v = block.attn.c_attn(block.ln_1(stream)).split(WIDTH, dim=-1)
    assert torch.equal(q, q_k_v[0])
    assert torch.equal(k, q_k_v[1])
    assert torch.equal(v, q_k_v[-1])


@pytest.mark.parametrize("name", VARIANTS)
def test_attention_adds_the_projection_of_z(name):
    block, (z, added) = captured(name, "z", "attn_out")
    assert torch.equal(block.attn.c_proj(z), added)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_stream_is_the_sum_of_what_is_added_to_it(name):
    _, (before, attention, between, mlp, after) = captured(
        name, "resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post"
    )
    assert torch.equal(before + attention, between)
    assert torch.equal(between + mlp, after)


@pytest.mark.parametrize("name", UNTIED)
def test_zeroing_a_heads_values_equals_zeroing_their_rows_of_the_projection(name):
    """Values are the last rows of c_attn, those of head 1 the last 8 of them; tied rows would take keys with them."""
    subject = subject_of(name)
    with edited(subject, {Site(LAYER, "v"): lambda v: torch.cat([v[..., :8], torch.zeros_like(v[..., 8:])], -1)}):
        hooked = subject.logits(TOKENS)
    projection = subject.block(LAYER).attn.c_attn
    projection.weight[-8:] = 0
    if projection.bias is not None:
        projection.bias[-8:] = 0
    assert not torch.equal(hooked, subject_of(name).logits(TOKENS))
    torch.testing.assert_close(subject.logits(TOKENS), hooked)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_site_has_a_value_of_its_units(name):
    subject = subject_of(name)
    seen = capture(subject, list(subject.sites()), TOKENS)
    assert {site: value.shape[-1] for site, value in seen.items()} == {
        site: subject.units(site).count for site in subject.sites()
    }
