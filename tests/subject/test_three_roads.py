"""One set of GPT-2 weights as a nanoGPT file, a Hugging Face folder and a bare state dict: one function."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from mechint.spec.checkpoints import Source
from mechint.subject.load import load_subject
from tests.subject.families import TABLES, TOKENS

ACTIVATIONS = [("gelu", "gelu"), ("gelu_new", "gelu_tanh")]
TURNED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


@pytest.fixture(params=ACTIVATIONS, ids=lambda names: names[1])
def model(request):
    """A GPT-2 of transformers, and the name that a spec has for its activation."""
    theirs, ours = request.param
    sizes = {"n_layer": 2, "n_head": 4, "n_embd": 32, "n_positions": 16, "vocab_size": 50}
    config = AutoConfig.for_model("gpt2", activation_function=theirs, bos_token_id=None, eos_token_id=None, **sizes)
    torch.manual_seed(0)
    built = AutoModelForCausalLM.from_config(config).eval().requires_grad_(requires_grad=False)
    for weight in built.parameters():
        weight += 0.3 * torch.randn_like(weight)
    return built, ours


def logits(path, **facts):
    return load_subject(Source.at(str(path), **facts), TABLES).logits(TOKENS)


def test_the_folder_is_the_model_to_the_bit(model, tmp_path):
    model[0].save_pretrained(tmp_path)
    assert torch.equal(logits(tmp_path), model[0](TOKENS, use_cache=False).logits)


@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "module.", "_orig_mod.module."])
def test_the_bare_state_dict_agrees(model, tmp_path, prefix):
    state = {prefix + name: weight for name, weight in model[0].state_dict().items()}
    torch.save(state, tmp_path / "bare.pt")
    found = logits(tmp_path / "bare.pt", n_head=4, activation=model[1])
    torch.testing.assert_close(found, model[0](TOKENS).logits, atol=1e-5, rtol=1e-5)


def test_the_nanogpt_file_agrees(model, tmp_path):
    state = {name: w.T.clone() if name.endswith(TURNED) else w for name, w in model[0].state_dict().items()}
    torch.save({"model": state, "model_args": {"n_head": 4}}, tmp_path / "nano.pt")
    found = logits(tmp_path / "nano.pt", activation=model[1])
    torch.testing.assert_close(found, model[0](TOKENS).logits, atol=1e-5, rtol=1e-5)


def test_the_two_activations_differ_by_more_than_that(model, tmp_path):
    torch.save(model[0].state_dict(), tmp_path / "bare.pt")
    erf, tanh = (logits(tmp_path / "bare.pt", n_head=4, activation=name) for name in ("gelu", "gelu_tanh"))
    assert float((erf - tanh).abs().max()) > 1e-4
