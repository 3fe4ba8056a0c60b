"""Recognising a variant and loading it whole: every key is accounted for."""

import pytest
import torch

from mechint.checkpoint.checkpoint import read_checkpoint
from mechint.errors import CheckpointError
from mechint.spec.checkpoints import Reference
from mechint.subject.gpt2 import load_gpt2
from tests.hostile import checkpoint_of
from tests.tiny import random_model
from tests.variants import ARCHITECTURES, CONTEXT, VARIANTS, variant_model, variant_tokens

TOKENS = variant_tokens()


@pytest.fixture
def state():
    return dict(random_model().state_dict())


@pytest.fixture
def load(write):
    """Loads what a checkpoint in the older tool's layout holds."""

    def load(state, facts=None, iter_num=7, **stated):
        path = write(checkpoint_of(iter_num=iter_num) | {"model": state} | ({"config": facts} if facts else {}))
        return load_gpt2(read_checkpoint(path), Reference(path=path, **stated))

    return load


@pytest.fixture
def refusal(load):
    def refusal(state, **given):
        with pytest.raises(CheckpointError) as caught:
            load(state, **given)
        return str(caught.value)

    return refusal


def stated(model):
    """The facts that the variant's weights do not show."""
    return {"n_head": 2, "activation": model.config.activation}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_told_by_its_weights_and_gives_the_saved_models_bits(load, name):
    saved = variant_model(name)
    model, architecture, _ = load(dict(saved.state_dict()), facts=stated(saved))
    assert architecture.name == ARCHITECTURES[name]
    assert model.config == saved.config
    assert torch.equal(model(TOKENS), saved(TOKENS))


def test_the_second_form_of_tied_keys_is_the_same_function(load):
    """It keeps a causal mask as a buffer."""
    saved = variant_model("kv-tied")
    mask = torch.ones(CONTEXT, CONTEXT).tril().view(1, 1, CONTEXT, CONTEXT)
    buffers = {f"transformer.h.{layer}.attn.bias": mask for layer in range(3)}
    model, architecture, _ = load({**saved.state_dict(), **buffers})
    assert architecture.name == "gpt2-nanogpt-kv-tied"
    assert torch.equal(model(TOKENS), saved(TOKENS))


def test_the_flag_of_folded_gates_is_dropped(load):
    saved = variant_model("folded")
    flags = {f"transformer.h.{layer}.attn._gates_dirty": torch.tensor(False) for layer in range(3)}
    assert torch.equal(load({**saved.state_dict(), **flags})[0](TOKENS), saved(TOKENS))


def test_folded_gates_that_await_being_multiplied_in_are_refused(refusal):
    flag = {"transformer.h.1.attn._gates_dirty": torch.tensor(True)}
    message = refusal({**variant_model("folded").state_dict(), **flag})
    assert "transformer.h.1.attn._gates_dirty is set" in message


def with_gates_as_they_start():
    started = {".w_std": torch.tensor(0.9), ".w_rec": torch.tensor(0.1)}
    return {name: started.get(name[-6:], weight) for name, weight in variant_model("folded").state_dict().items()}


def test_folded_gates_that_training_left_alone_are_refused(refusal):
    """A forward pass that has them moves them with the first step; here are seven."""
    message = refusal(with_gates_as_they_start())
    assert "after 7 steps its gates are as they started" in message
    assert "transformer.h.0.attn.w_std" in message


def test_folded_gates_of_an_untrained_model_are_taken(load):
    assert load(with_gates_as_they_start(), iter_num=0)[1].name == "gpt2-nanogpt-ra-folded"


@pytest.mark.parametrize(("facts", "rank"), [({}, 4), ({"ra_v5_R": 2}, 2), ({"R": 7}, 7), ({"ra_v5_R": None}, 4)])
def test_the_folded_channels_are_those_that_the_file_states_or_four(load, facts, rank):
    state = dict(variant_model("folded").state_dict())
    assert load(state, facts={"n_head": 2, **facts})[0].config.folded.rank == rank


@pytest.mark.parametrize("rank", [0, 8, 2.0, "4"])
def test_folded_channels_that_fill_no_part_of_a_head_are_refused(refusal, rank):
    message = refusal(dict(variant_model("folded").state_dict()), facts={"n_head": 2, "ra_v5_R": rank})
    assert f"folds {rank!r} channels of a head, and there are 8" in message


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("vanilla", "mlp.c_fc.weight"),
        ("kv-tied", "attn.c_attn.bias"),
        ("gated", "attn.sdpa_gate.weight"),
        ("gated", "attn.sdpa_gate.bias"),
        ("ra", "attn.ra_logit"),
        ("ra", "attn.ra_ln.weight"),
        ("ra-gated", "attn.ra_head_proj.bias"),
        ("folded", "attn.w_std"),
        ("folded", "attn.w_rec"),
        ("folded with restart", "attn.rwr_alpha"),
    ],
)
def test_a_part_of_a_variant_that_is_missing_is_named(refusal, name, key):
    state = dict(variant_model(name).state_dict())
    del state[f"transformer.h.1.{key}"]
    assert f"missing         transformer.h.1.{key} [" in refusal(state)


@pytest.mark.parametrize("name", VARIANTS)
def test_an_extra_part_of_a_variant_is_named(refusal, name):
    state = {**variant_model(name).state_dict(), "transformer.h.1.attn.extra": torch.ones(3)}
    assert "not understood  transformer.h.1.attn.extra [3]" in refusal(state)


def test_a_reciprocal_part_of_a_layer_without_projection_is_named(refusal):
    """Layer 1 is the reciprocal one."""
    state = {**variant_model("ra").state_dict(), "transformer.h.0.attn.ra_logit": torch.ones(1)}
    message = refusal(state)
    assert "those of a GPT-2 with reciprocal attention with 3 layers of width 16" in message
    assert "not understood  transformer.h.0.attn.ra_logit [1]" in message


def test_a_reciprocal_projection_of_no_whole_heads_is_refused(refusal):
    """Its 8 channels are one head of two, and half a head of one."""
    message = refusal(dict(variant_model("ra").state_dict()), facts={"n_head": 1})
    assert "ra_head_proj.weight reads 8 channels, which are no whole heads of 16" in message


@pytest.mark.parametrize(
    ("name", "key", "kinds"),
    [
        ("kv-tied", "sdpa_gate.weight", "gated heads and tied keys and values"),
        ("kv-tied", "ra_logit", "reciprocal attention and tied keys and values"),
        ("folded", "ra_logit", "reciprocal attention and folded reciprocal attention"),
        ("folded", "sdpa_gate.weight", "gated heads and folded reciprocal attention"),
    ],
)
def test_a_mixture_of_variants_is_refused_with_its_keys(refusal, name, key, kinds):
    state = {**variant_model(name).state_dict(), f"transformer.h.1.attn.{key}": torch.ones(1)}
    message = refusal(state)
    assert f"has {kinds} in one model" in message
    assert f"transformer.h.1.attn.{key}" in message


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("attn.kv_a_proj.weight", "multi-head latent attention"),
        ("attn.to_kv_latent.weight", "multi-head latent attention"),
        ("attn.c_attn.lora_A", "LoRA adapters"),
        ("mlp.up_low.weight", "a reciprocal MLP"),
        ("attn.skip_lowrank_attn", "skip gates on reciprocal attention"),
        ("attn.raw_beta", "spectral reciprocal attention"),
    ],
)
def test_foreign_variants_are_refused_by_name(refusal, state, key, kind):
    state[f"transformer.h.1.{key}"] = torch.ones(1)
    message = refusal(state)
    assert f"is a model with {kind}," in message
    assert f"not understood: transformer.h.1.{key}" in message


def test_a_missing_weight_is_named_with_its_shape(refusal, state):
    del state["transformer.h.1.ln_2.weight"]
    message = refusal(state)
    assert "not those of a vanilla GPT-2 with 2 layers of width 8" in message
    assert "missing         transformer.h.1.ln_2.weight [8]" in message


def test_an_extra_weight_is_named_with_its_shape(refusal, state):
    state["transformer.h.0.gate.weight"] = torch.ones(3, 2)
    assert "not understood  transformer.h.0.gate.weight [3, 2]" in refusal(state)


def test_a_renamed_weight_is_suggested(refusal, state):
    state["transformer.h.0.ln1.weight"] = state.pop("transformer.h.0.ln_1.weight")
    message = refusal(state)
    assert "missing         transformer.h.0.ln_1.weight [8], is it transformer.h.0.ln1.weight?" in message


def test_a_misshapen_weight_is_named_with_both_shapes(refusal, state):
    state["transformer.h.0.mlp.c_fc.weight"] = torch.ones(8, 8)
    assert "wrong shape     transformer.h.0.mlp.c_fc.weight [8, 8], expected [32, 8]" in refusal(state)


def test_a_long_list_is_cut(refusal, state):
    state |= {f"transformer.h.0.x{n}": torch.ones(1) for n in range(15)}
    assert "not understood  and 3 more" in refusal(state)


def test_a_gap_in_the_layers_is_refused(refusal, state):
    message = refusal({name.replace(".h.1.", ".h.2."): weight for name, weight in state.items()})
    assert "missing         transformer.h.1.attn.c_attn.weight" in message
    assert "not understood  transformer.h.2.attn.c_attn.weight" in message


def test_layers_without_end_are_refused_before_a_model_is_built(refusal, state):
    state |= {f"transformer.h.{layer}.x": torch.ones(1) for layer in range(1001)}
    assert "has 1,001 layers" in refusal(state)


def test_layers_of_two_kinds_are_refused(refusal, state):
    state["transformer.h.1.attn.c_attn.weight"] = torch.ones(16, 8)
    assert "wrong shape     transformer.h.1.attn.c_attn.weight [16, 8], expected [24, 8]" in refusal(state)


def test_a_flag_of_folded_gates_alone_is_refused(refusal):
    state = {**variant_model("vanilla").state_dict(), "transformer.h.1.attn._gates_dirty": torch.tensor(False)}
    assert "missing         transformer.h.0.attn.w_std []" in refusal(state)


def test_an_architecture_that_the_weights_do_not_have_is_refused(refusal, state):
    message = refusal(state, architecture="gpt2-nanogpt-ra")
    assert "its weights are those of gpt2-nanogpt, and the spec says architecture 'gpt2-nanogpt-ra'" in message


def test_the_architecture_that_the_weights_have_may_be_stated(load, state):
    assert load(state, architecture="gpt2-nanogpt")[1].name == "gpt2-nanogpt"
