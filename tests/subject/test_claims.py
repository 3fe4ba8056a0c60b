"""Configs that describe more than there is."""

import copy

import pytest
import torch
import transformers

from mechint.checkpoint.checkpoint import Checkpoint
from mechint.errors import CheckpointError
from mechint.subject.claims import refuse_oversized
from mechint.subject.load import load_subject
from tests.hostile import folders

TINY = {
    "num_hidden_layers": 1,
    "hidden_size": 8,
    "vocab_size": 11,
    "intermediate_size": 16,
    "num_attention_heads": 2,
}
HUGE = {
    "many layers": {"num_hidden_layers": 1000, "intermediate_size": 1 << 20},
    "a large vocabulary": {"vocab_size": 1 << 22, "hidden_size": 1 << 16},
}


def checkpoint_of(**weights):
    return Checkpoint(
        path="a", sha256="", layout="safetensors", weights=weights, facts={}, step=None, best_val_loss=None
    )


def test_a_model_of_the_weights_size_passes_and_its_config_stays_as_it_is():
    config = transformers.LlamaConfig(**TINY)
    before = copy.deepcopy(config.to_dict())
    refuse_oversized(transformers.LlamaForCausalLM, config, checkpoint_of(a=torch.ones(8)))
    assert config.to_dict() == before


@pytest.mark.parametrize("kind", HUGE)
def test_a_model_far_beyond_the_weights_is_refused(kind):
    config = transformers.LlamaConfig(**{**TINY, **HUGE[kind]})
    with pytest.raises(CheckpointError, match=r"a: its config describes a LlamaForCausalLM of [\d,]{14,} values"):
        refuse_oversized(transformers.LlamaForCausalLM, config, checkpoint_of(a=torch.ones(8)))


def test_a_buffer_counts_as_much_as_a_weight():
    """GPT-J computes sines for all of its positions when it is built."""
    config = transformers.GPTJConfig(n_layer=1, n_embd=8, n_head=1, n_positions=1 << 16, rotary_dim=1 << 10)
    with pytest.raises(CheckpointError, match="describes a GPTJForCausalLM"):
        refuse_oversized(transformers.GPTJForCausalLM, config, checkpoint_of(a=torch.ones(8)))


def test_a_config_that_no_model_can_be_built_of_is_refused():
    config = transformers.GPTJConfig(n_layer=1, n_embd=9, n_head=2)
    with pytest.raises(CheckpointError, match="cannot build the GPTJForCausalLM of its config: embed_dim must be"):
        refuse_oversized(transformers.GPTJForCausalLM, config, checkpoint_of(a=torch.ones(8)))


@pytest.mark.parametrize("kind", HUGE)
def test_a_folder_with_such_a_config_is_refused_without_taking_the_memory(tmp_path, kind):
    folder = folders.write_good(tmp_path / "model", {"model_type": "llama", **TINY, **HUGE[kind]})
    with pytest.raises(CheckpointError, match="its config describes a LlamaForCausalLM"):
        load_subject(str(folder))
