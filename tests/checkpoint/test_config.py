"""What a config.json may say."""

import json
import math

import pytest
import transformers

from mechint.checkpoint.config import read_config
from mechint.checkpoint.sizes import CONFIG_SIZES
from mechint.errors import CheckpointError

LARGEST_KNOWN = {
    "num_hidden_layers": 126,
    "hidden_size": 16_384,
    "intermediate_size": 53_248,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "head_dim": 512,
    "vocab_size": 262_208,
    "max_position_embeddings": 10_485_760,
    "n_positions": 8192,
    "num_experts": 512,
    "n_routed_experts": 384,
}
"""Sizes of models that there are, such as Llama 3.1 405B, Gemma 3 and Llama 4 Scout."""


@pytest.fixture
def config(tmp_path):
    """Writes the entries of a config and gives its path."""

    def write(**entries):
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"model_type": "llama", **entries}))
        return str(path)

    return write


def test_all_entries_are_read_as_they_stand(config):
    entries = {"rope_scaling": {"factor": 8.0, "rope_type": "llama3"}, "head_dim": None, "eos_token_id": [1, 2]}
    assert read_config(config(**entries)) == {"model_type": "llama", **entries}


@pytest.mark.parametrize("key", LARGEST_KNOWN)
def test_sizes_of_the_largest_models_are_believed(config, key):
    assert read_config(config(**{key: LARGEST_KNOWN[key]}))[key] == LARGEST_KNOWN[key]


@pytest.mark.parametrize("key", CONFIG_SIZES)
def test_every_size_has_its_bound(config, key):
    assert read_config(config(**{key: CONFIG_SIZES[key]}))
    with pytest.raises(CheckpointError, match=rf"config\.json: {key} is {CONFIG_SIZES[key] + 1}; the sizes"):
        read_config(config(**{key: CONFIG_SIZES[key] + 1}))


def test_sizes_by_layer_are_read(config):
    assert read_config(config(num_key_value_heads=[2, 4]))["num_key_value_heads"] == [2, 4]


def test_a_model_without_experts_is_read(config):
    assert read_config(config(num_experts=0))["num_experts"] == 0


def test_no_quantization_is_no_fault(config):
    assert read_config(config(quantization_config=None))["quantization_config"] is None


@pytest.mark.parametrize("kind", ["gpt2", "qwen2_moe", "gpt-oss", "olmo2", "Phi3", "minimax-m2.1"])
def test_kinds_of_models_are_short_names(config, kind):
    assert read_config(config(model_type=kind))["model_type"] == kind


@pytest.mark.parametrize("bound", [math.inf, -math.inf, math.nan])
def test_a_number_that_json_does_not_have_is_refused_as_transformers_saves_it(tmp_path, bound):
    transformers.FalconH1Config(time_step_limit=(0.0, bound)).save_pretrained(tmp_path)
    with pytest.raises(
        CheckpointError, match="states an infinite or NaN setting, 'time_step_limit', which is not read"
    ):
        read_config(str(tmp_path / "config.json"))


def test_a_setting_that_is_itself_infinite_is_named(config):
    with pytest.raises(CheckpointError, match="states an infinite or NaN setting, 'limit', which is not read"):
        read_config(config(limit={"__float__": "Infinity"}))
