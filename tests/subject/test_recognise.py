"""Which table a model gets."""

import pytest
from transformers import AutoConfig, AutoModelForCausalLM

from mechint.errors import CheckpointError
from mechint.spec.checkpoints import Source
from mechint.subject.architecture import Architecture, out_of
from mechint.subject.load import load_subject
from tests.subject.families import FAMILIES, TABLES, Family, save

GRANITE = Family(model_type="granite", config=FAMILIES["llama"].config | {"attention_bias": False}, table="llama")


def opened(folder, tables=TABLES, **facts):
    return load_subject(Source.at(str(folder), **facts), tables)


def test_an_unknown_type_is_recognised_by_its_modules_and_sums(tmp_path):
    """With every multiplier 1, Granite computes what Llama computes."""
    assert opened(save(GRANITE, tmp_path)).architecture.name == "llama"


def test_modules_of_the_right_names_that_compute_otherwise_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="named as in llama, but it computes otherwise"):
        opened(save(GRANITE, tmp_path, residual_multiplier=0.5))


def test_a_model_that_no_table_fits_is_refused_with_its_modules(tmp_path):
    config = AutoConfig.for_model("bloom", n_layer=2, n_head=4, hidden_size=32, vocab_size=50)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError) as caught:
        opened(tmp_path)
    assert "the sites of BloomForCausalLM (model_type bloom) are not known: no table fits" in str(caught.value)
    assert "transformer.h.0.self_attention.query_key_value" in str(caught.value)
    assert "mechint_architectures" in str(caught.value)


def test_two_tables_that_fit_are_one_too_many(tmp_path):
    llama = next(table for table in TABLES if table.name == "llama")
    twin = Architecture(name="twin", block=llama.block, sites=llama.sites)
    with pytest.raises(CheckpointError, match="several tables fit it: llama, twin"):
        opened(save(GRANITE, tmp_path), (*TABLES, twin))


def test_heads_in_another_order_than_the_tables_are_noticed(tmp_path):
    """GPTBigCode has GPT-2's modules, and its fused projection lies head by head."""
    sizes = {"n_layer": 2, "n_head": 4, "n_embd": 32, "n_positions": 32, "vocab_size": 50, "multi_query": False}
    config = AutoConfig.for_model("gpt_bigcode", bos_token_id=None, eos_token_id=None, **sizes)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="named as in gpt2, but it computes otherwise"):
        opened(tmp_path)


def test_dense_models_are_no_mixtures(tmp_path):
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 32}
    config = AutoConfig.for_model("starcoder2", vocab_size=50, bos_token_id=None, eos_token_id=None, **sizes)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="no table fits its modules"):
        opened(tmp_path)


def test_a_table_of_the_right_type_is_tried_too(tmp_path):
    with pytest.raises(CheckpointError, match=r"is no llama: it does not keep what the table promises"):
        opened(save(FAMILIES["gemma2"], tmp_path), architecture="llama")


def test_two_tables_of_one_name_are_an_error(tmp_path):
    with pytest.raises(CheckpointError, match="two plugins give a table named 'gpt2'"):
        opened(save(GRANITE, tmp_path), (*TABLES, TABLES[0]))


def test_the_language_model_in_a_multimodal_gemma_is_found(tmp_path):
    text = {**FAMILIES["gemma3"].config, "vocab_size": 50}
    vision = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 16}
    tokens = {"image_token_index": 49, "boi_token_index": 47, "eoi_token_index": 48}
    config = AutoConfig.for_model("gemma3", text_config=text, vision_config=vision, **tokens)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    assert opened(tmp_path).architecture.name == "gemma3"


def test_a_table_that_the_spec_names_is_taken(tmp_path):
    own = Architecture(name="own", block="model.layers.{layer}", sites={"embed": out_of("model.embed_tokens")})
    assert opened(save(GRANITE, tmp_path), (*TABLES, own), architecture="own").architecture is own


def test_a_table_that_does_not_exist_is_an_error_that_lists_them(tmp_path):
    with pytest.raises(CheckpointError, match="no architecture is named 'lama'; there are gpt2, gpt_neox"):
        opened(save(GRANITE, tmp_path), architecture="lama")


def test_a_table_that_does_not_fit_is_refused_though_asked_for(tmp_path):
    with pytest.raises(CheckpointError, match=r"is no gpt2: GraniteForCausalLM has no module transformer\.wte"):
        opened(save(GRANITE, tmp_path), architecture="gpt2")
