"""One set of weights in every layout gives the logits of transformers' own GPT-2."""

import pytest
import torch
from safetensors.torch import save_file

from mechint.checkpoint.checkpoint import read_checkpoint
from mechint.errors import CheckpointError
from mechint.spec.checkpoints import Reference
from mechint.subject.gpt2 import load_gpt2
from tests.hostile import checkpoint_of
from tests.tiny import random_model

PROJECTIONS = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
TOKENS = torch.tensor([[1, 2, 3, 4, 5], [10, 9, 8, 7, 6]])
ACTIVATIONS = [("gelu", "gelu"), ("gelu_new", "gelu_tanh")]


@pytest.fixture(scope="module", params=ACTIVATIONS, ids=lambda names: names[1])
def published(request):
    """A small GPT-2 of transformers, and the name of its activation here."""
    from transformers import GPT2Config, GPT2LMHeadModel

    theirs, ours = request.param
    config = GPT2Config(
        vocab_size=11, n_positions=8, n_embd=16, n_layer=2, n_head=4, activation_function=theirs, eos_token_id=0
    )
    model = GPT2LMHeadModel(config).eval().requires_grad_(requires_grad=False)
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        norm = "ln_" in name and name.endswith("weight")
        weight.copy_(torch.randn(weight.shape, generator=generator) / 2 + norm)
    return model, ours


def turned(state):
    return {name: weight.T if name.endswith(PROJECTIONS) else weight for name, weight in state.items()}


def buffers():
    masks = {f"h.{n}.attn.bias": torch.ones(8, 8, dtype=torch.uint8).tril().view(1, 1, 8, 8) for n in range(2)}
    return masks | {f"h.{n}.attn.masked_bias": torch.tensor(-1e4) for n in range(2)}


def prefixed(state, prefix):
    return {prefix + name: weight for name, weight in state.items()}


def whole(model):
    return dict(model.state_dict())


LAYOUTS = {
    "nanogpt": lambda model: {"model": turned(whole(model)), "model_args": {"n_head": 4}},
    "nanogpt compiled": lambda model: {"model": prefixed(turned(whole(model)), "_orig_mod."), "iter_num": 1},
    "nanogpt parallel": lambda model: prefixed(turned(whole(model)), "module."),
    "nanogpt both": lambda model: prefixed(turned(whole(model)), "_orig_mod.module."),
    "nanogpt both the other way": lambda model: prefixed(turned(whole(model)), "module._orig_mod."),
    "hugging face": whole,
    "hugging face parallel": lambda model: prefixed(whole(model), "module."),
    "hugging face without an unembedding": lambda model: {
        name: weight for name, weight in whole(model).items() if name != "lm_head.weight"
    },
    "hugging face without a prefix": lambda model: dict(model.transformer.state_dict()),
    "hugging face with buffers": lambda model: dict(model.transformer.state_dict()) | buffers(),
    "hugging face with prefixed buffers": lambda model: whole(model) | prefixed(buffers(), "transformer."),
}


def load(path, activation):
    return load_gpt2(read_checkpoint(path), Reference(path=path, n_head=4, activation=activation))[0]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_logits_of_transformers(write, published, layout):
    model, activation = published
    loaded = load(write(LAYOUTS[layout](model)), activation)
    torch.testing.assert_close(loaded(TOKENS), model(TOKENS).logits, atol=1e-5, rtol=1e-5)


def test_a_safetensors_file_gives_the_logits_of_transformers(tmp_path, published):
    model, activation = published
    path = str(tmp_path / "model.safetensors")
    save_file(dict(model.transformer.state_dict()) | buffers(), path, metadata={"format": "pt"})
    torch.testing.assert_close(load(path, activation)(TOKENS), model(TOKENS).logits, atol=1e-5, rtol=1e-5)


def test_a_bin_file_gives_the_logits_of_transformers(write, published):
    model, activation = published
    loaded = load(write(whole(model), name="pytorch_model.bin"), activation)
    torch.testing.assert_close(loaded(TOKENS), model(TOKENS).logits, atol=1e-5, rtol=1e-5)


def test_the_layout_tells_the_activation(write, published):
    model, activation = published
    layout = {"gelu": "nanogpt", "gelu_tanh": "hugging face"}[activation]
    assert load(write(LAYOUTS[layout](model)), None).config.activation == activation


@pytest.mark.parametrize("buffer", [torch.tensor(0.5), torch.tensor([-1e4, -1e4])])
def test_a_masked_score_that_is_none_is_refused(write, buffer):
    state = random_model().state_dict() | {"transformer.h.0.attn.masked_bias": buffer}
    with pytest.raises(CheckpointError, match="masked_bias is no score of what is masked"):
        load(write(checkpoint_of() | {"model": state}), None)


@pytest.mark.parametrize("rows", [8, 20, 32])
def test_projections_of_other_attention_are_refused(write, rows):
    state = random_model().state_dict() | {"transformer.h.0.attn.c_attn.weight": torch.ones(rows, 8)}
    with pytest.raises(CheckpointError, match=rf"is \[{rows}, 8\]; expected \[24, 8\] for vanilla GPT-2, \[16, 8\]"):
        load(write(state), None)


def test_reciprocal_attention_in_hugging_faces_layout_is_refused(write):
    """No trainer writes that, so which way its matrices lie is not known."""
    state = {
        name: weight.T if name.endswith(PROJECTIONS) else weight for name, weight in random_model().state_dict().items()
    }
    state["transformer.h.0.attn.ra_logit"] = torch.ones(1)
    with pytest.raises(CheckpointError, match="has reciprocal attention and Hugging Face's layout in one model"):
        load(write(state), None)


def test_another_family_is_refused_with_what_it_holds(write):
    with pytest.raises(CheckpointError) as caught:
        load(write({"model.embed_tokens.weight": torch.ones(3, 2)}), None)
    message = str(caught.value)
    assert "is no model of the nanoGPT family: transformer.wte.weight is missing" in message
    assert "it holds model.embed_tokens.weight" in message
    assert "needs its config.json" in message
