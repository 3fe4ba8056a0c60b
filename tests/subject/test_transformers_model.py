"""From a config and weights to a model: every weight accounted for, nothing fetched, nothing run."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from mechint.errors import CheckpointError, DataError
from mechint.spec.checkpoints import Source
from mechint.subject.load import load_subject
from tests.subject.families import FAMILIES, TABLES, TOKENS, open_family, save


@pytest.fixture
def folder(tmp_path):
    return save(FAMILIES["llama"], tmp_path)


def change_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def change_config(folder, **entries):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_the_sizes_are_the_configs(folder):
    shape = open_family(folder).shape
    assert (shape.n_layer, shape.n_head, shape.n_kv_head, shape.d_head) == (2, 4, 2, 8)
    assert (shape.d_model, shape.d_mlp, shape.n_vocab, shape.context) == (32, 48, 50, 32)


def test_nothing_of_the_model_is_trainable(folder):
    model = open_family(folder).model
    assert not model.training
    assert not any(weight.requires_grad for weight in model.parameters())


def test_a_missing_weight_is_refused(folder):
    change_weights(folder, lambda weights: weights.pop("model.layers.1.mlp.up_proj.weight"))
    with pytest.raises(
        CheckpointError, match=r"a part of a model is never loaded\n  missing +model\.layers\.1\.mlp\.up"
    ):
        open_family(folder)


def test_a_weight_too_many_is_refused(folder):
    change_weights(folder, lambda weights: weights.update({"model.layers.9.mlp.up_proj.weight": torch.ones(48, 32)}))
    with pytest.raises(CheckpointError, match=r"not understood +model\.layers\.9\.mlp\.up_proj\.weight \[48, 32\]"):
        open_family(folder)


def test_a_weight_of_another_shape_is_refused(folder):
    change_weights(folder, lambda weights: weights.update({"model.norm.weight": torch.ones(31)}))
    with pytest.raises(CheckpointError, match="cannot load its weights as LlamaForCausalLM"):
        open_family(folder)


def test_a_type_that_transformers_does_not_know_is_refused_and_its_code_left_alone(folder):
    change_config(folder, model_type="ownmodel", auto_map={"AutoModelForCausalLM": "modeling.OwnModel"})
    (folder / "modeling.py").write_text("raise SystemExit('ran')")
    with pytest.raises(CheckpointError, match=r"model_type 'ownmodel'.*auto_map.*never run"):
        open_family(folder)


def test_a_kernel_that_a_config_names_is_not_taken(folder):
    plain = open_family(folder).logits(TOKENS)
    change_config(folder, attn_implementation="somebody/kernels", _attn_implementation="somebody/kernels")
    assert torch.equal(open_family(folder).logits(TOKENS), plain)


def test_a_config_whose_model_cannot_run_is_refused(tmp_path):
    folder = save(FAMILIES["gpt_neox"], tmp_path)
    change_config(folder, rope_parameters={"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 2.5})
    with pytest.raises(CheckpointError, match="builds a GPTNeoXForCausalLM that cannot run"):
        open_family(folder)


def test_the_dtype_is_the_specs(folder):
    subject = load_subject(Source.at(str(folder), dtype="bfloat16"), TABLES)
    assert (subject.dtype, subject.search_dtype) == (torch.bfloat16, torch.bfloat16)
    torch.testing.assert_close(subject.logits(TOKENS).float(), open_family(folder).logits(TOKENS), atol=0.3, rtol=0.1)


def test_a_weight_too_large_for_the_dtype_is_refused(folder):
    change_weights(folder, lambda weights: weights["model.norm.weight"].fill_(1e6))
    with pytest.raises(CheckpointError, match=r"model\.norm\.weight has values that float16 cannot hold"):
        load_subject(Source.at(str(folder), dtype="float16"), TABLES)


def test_a_safetensors_file_takes_the_config_beside_it(folder):
    subject = load_subject(str(folder / "model.safetensors"), TABLES)
    assert torch.equal(subject.logits(TOKENS), open_family(folder).logits(TOKENS))


def test_a_bin_file_takes_the_config_beside_it(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    subject = load_subject(str(folder / "pytorch_model.bin"), TABLES)
    assert torch.equal(subject.logits(TOKENS), open_family(folder).logits(TOKENS))


@pytest.mark.parametrize("fact", [{"n_head": 4}, {"activation": "gelu"}, {"config": "elsewhere/config.json"}])
def test_a_fact_that_the_folder_states_itself_is_refused(folder, fact):
    with pytest.raises(CheckpointError, match=f"leave out checkpoints.{next(iter(fact))}"):
        load_subject(Source.at(str(folder), **fact), TABLES)


def test_labels_of_a_classifier_are_not_made(folder):
    change_config(folder, num_labels=10**9)
    assert open_family(folder).shape.n_layer == 2


def test_more_tokens_than_the_context_are_refused(folder):
    with pytest.raises(DataError, match="33 tokens are more than the 32"):
        open_family(folder).logits(torch.zeros(1, 33, dtype=torch.long))


def test_weights_without_a_config_take_the_one_that_the_spec_names(folder, tmp_path_factory):
    alone = tmp_path_factory.mktemp("alone") / "weights.pt"
    torch.save({"model": load_file(folder / "model.safetensors")}, alone)
    subject = load_subject(Source.at(str(alone), config=str(folder / "config.json")), TABLES)
    assert torch.equal(subject.logits(TOKENS), open_family(folder).logits(TOKENS))


def test_loading_says_nothing(folder, capsys):
    open_family(folder)
    assert capsys.readouterr() == ("", "")
