"""Models that are refused: every key is accounted for."""

import pytest
import torch

from mechint.errors import CheckpointError
from mechint.subject.load import load_subject
from tests.hostile import checkpoint_of
from tests.tiny import random_model


@pytest.fixture
def state():
    return dict(random_model().state_dict())


def refusal(write, state):
    with pytest.raises(CheckpointError) as caught:
        load_subject(write(checkpoint_of() | {"model": state}))
    return str(caught.value)


def test_a_missing_weight_is_named_with_its_shape(write, state):
    del state["transformer.h.1.ln_2.weight"]
    message = refusal(write, state)
    assert "not those of a vanilla GPT-2 with 2 layers of width 8" in message
    assert "missing         transformer.h.1.ln_2.weight [8]" in message


def test_an_extra_weight_is_named_with_its_shape(write, state):
    state["transformer.h.0.gate.weight"] = torch.ones(3, 2)
    assert "not understood  transformer.h.0.gate.weight [3, 2]" in refusal(write, state)


def test_a_renamed_weight_is_suggested(write, state):
    state["transformer.h.0.ln1.weight"] = state.pop("transformer.h.0.ln_1.weight")
    message = refusal(write, state)
    assert "missing         transformer.h.0.ln_1.weight [8], is it transformer.h.0.ln1.weight?" in message


def test_a_misshapen_weight_is_named_with_both_shapes(write, state):
    state["transformer.h.0.mlp.c_fc.weight"] = torch.ones(8, 8)
    assert "wrong shape     transformer.h.0.mlp.c_fc.weight [8, 8], expected [32, 8]" in refusal(write, state)


def test_a_long_list_is_cut(write, state):
    state |= {f"transformer.h.0.x{n}": torch.ones(1) for n in range(15)}
    assert "not understood  and 3 more" in refusal(write, state)


def test_a_gap_in_the_layers_is_refused(write, state):
    renamed = {name.replace(".h.1.", ".h.2."): weight for name, weight in state.items()}
    message = refusal(write, renamed)
    assert "missing         transformer.h.1.attn.c_attn.weight" in message
    assert "not understood  transformer.h.2.attn.c_attn.weight" in message


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("attn.ra_logit", "reciprocal attention"),
        ("attn.ra_head_proj.weight", "reciprocal attention"),
        ("attn.sdpa_gate.weight", "reciprocal attention"),
        ("attn.w_rec", "the older reciprocal attention"),
        ("attn._gates_dirty", "the older reciprocal attention"),
        ("attn.kv_a_proj.weight", "multi-head latent attention"),
        ("attn.c_attn.lora_A", "LoRA adapters"),
    ],
)
def test_foreign_variants_are_refused_by_name(write, state, key, kind):
    state[f"transformer.h.1.{key}"] = torch.ones(1)
    message = refusal(write, state)
    assert f"is a model with {kind}," in message
    assert f"not understood: transformer.h.1.{key}" in message


def test_hugging_faces_layout_is_recognised(write, state):
    state["transformer.h.0.attn.c_attn.weight"] = torch.ones(8, 24)
    assert "looks like Hugging Face's GPT-2" in refusal(write, state)


@pytest.mark.parametrize("rows", [8, 20, 32])
def test_projections_of_other_attention_are_refused(write, state, rows):
    state["transformer.h.0.attn.c_attn.weight"] = torch.ones(rows, 8)
    assert f"is [{rows}, 8]; expected [24, 8] for vanilla GPT-2 or [16, 8]" in refusal(write, state)


def test_layers_of_two_kinds_are_refused(write, state):
    state["transformer.h.1.attn.c_attn.weight"] = torch.ones(16, 8)
    assert "wrong shape     transformer.h.1.attn.c_attn.weight [16, 8], expected [24, 8]" in refusal(write, state)


def test_another_family_is_refused_with_what_it_holds(write):
    message = refusal(write, {"model.embed_tokens.weight": torch.ones(3, 2)})
    assert "is no model of the nanoGPT family: transformer.wte.weight is missing" in message
    assert "it holds model.embed_tokens.weight" in message
