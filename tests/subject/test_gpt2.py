"""Models that are refused: every key is accounted for."""

import pytest
import torch

from mechint.checkpoint.checkpoint import Checkpoint
from mechint.errors import CheckpointError
from mechint.subject.gpt2 import infer_config
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


def test_layers_without_end_are_refused_before_a_model_is_built(write, state):
    state |= {f"transformer.h.{layer}.x": torch.ones(1) for layer in range(1001)}
    assert "has 1,001 layers" in refusal(write, state)


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


@pytest.mark.parametrize(
    ("name", "n_layer", "n_head", "width"),
    [
        ("gpt2-tiny", 6, 8, 512),
        ("gpt2", 12, 12, 768),
        ("gpt2-medium", 24, 16, 1024),
        ("gpt2-large", 36, 20, 1280),
        ("gpt2-xl", 48, 25, 1600),
    ],
)
def test_heads_follow_from_a_named_size(name, n_layer, n_head, width):
    shapes = {"transformer.wte.weight": (50304, width), "transformer.wpe.weight": (1024, width)}
    shapes |= {f"transformer.h.{layer}.attn.c_attn.weight": (3 * width, width) for layer in range(n_layer)}
    weights = {weight: torch.empty(shape, device="meta") for weight, shape in shapes.items()}
    facts = {"model_name": name}
    checkpoint = Checkpoint(
        path="x.pt", sha256="", layout="model", weights=weights, facts=facts, step=None, best_val_loss=None
    )
    config = infer_config(checkpoint, None)
    assert (config.n_layer, config.n_head, config.n_embd) == (n_layer, n_head, width)
    assert (config.block_size, config.vocab_size, config.kv_tied) == (1024, 50304, False)
