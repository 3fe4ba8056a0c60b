"""From a file to a subject that computes what the saved model computed."""

import argparse

import pytest
import torch

from mechint.errors import CheckpointError
from mechint.spec.checkpoints import Source
from mechint.subject.load import load_subject
from tests.hostile import checkpoint_of
from tests.tiny import random_model
from tests.variants import ARCHITECTURES, VARIANTS, variant_model

TOKENS = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])


def same_function(subject, model):
    return torch.equal(subject.logits(TOKENS), model(TOKENS))


@pytest.mark.parametrize("name", VARIANTS)
def test_the_loaded_model_gives_the_saved_ones_bits(write, name):
    model = variant_model(name)
    subject = load_subject(Source.at(write(checkpoint_of(model)), activation=model.config.activation))
    assert subject.architecture.name == ARCHITECTURES[name]
    assert same_function(subject, model)


def test_padding_is_told_to_the_model(write):
    subject = load_subject(write(checkpoint_of(variant_model("ra-gated"))))
    padded, mask = torch.tensor([[9, 9, 1, 2]]), torch.tensor([[False, False, True, True]])
    alone = subject.logits(torch.tensor([[1, 2]]))
    torch.testing.assert_close(subject.logits(padded, mask)[:, 2:], alone, atol=1e-5, rtol=1e-5)


def test_the_shape_is_read_from_the_weights(write):
    shape = load_subject(write(checkpoint_of(random_model(n_layer=11)))).shape
    assert (shape.n_layer, shape.n_head, shape.n_kv_head, shape.d_head) == (11, 2, 2, 4)
    assert (shape.d_model, shape.n_vocab, shape.context) == (8, 11, 6)


def test_nothing_of_the_model_is_trainable(write):
    model = load_subject(write(checkpoint_of())).model
    assert not model.training
    assert not any(weight.requires_grad for weight in model.parameters())


def test_weights_are_float32_of_their_own(write):
    half = {name: weight.half() for name, weight in random_model().state_dict().items()}
    subject = load_subject(write(checkpoint_of() | {"model": half}))
    assert {weight.dtype for weight in subject.model.parameters()} == {torch.float32}


def test_a_model_without_biases_is_loaded_without(write):
    model = random_model()
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.zeros_(weight)
    state = {name: weight for name, weight in model.state_dict().items() if not name.endswith("bias")}
    assert same_function(load_subject(write(checkpoint_of() | {"model": state})), model)


def test_the_unembedding_is_the_embedding_where_it_is_missing(write):
    model = random_model()
    state = {name: weight for name, weight in model.state_dict().items() if name != "lm_head.weight"}
    subject = load_subject(write(checkpoint_of() | {"model": state}))
    assert subject.model.lm_head.weight is subject.model.transformer["wte"].weight
    assert same_function(subject, model)


def test_an_unembedding_of_its_own_is_kept(write):
    model = random_model()
    model.lm_head.weight = torch.nn.Parameter(torch.ones(11, 8))
    assert same_function(load_subject(write(checkpoint_of(model))), model)


def test_the_causal_mask_of_older_files_is_dropped(write):
    mask = torch.ones(6, 6).tril().view(1, 1, 6, 6)
    state = {**random_model().state_dict(), "transformer.h.0.attn.bias": mask, "transformer.h.1.attn.bias": mask.bool()}
    assert same_function(load_subject(write(checkpoint_of() | {"model": state})), random_model())


@pytest.mark.parametrize("mask", [torch.ones(1, 1, 6, 6), torch.ones(8), torch.tensor(1.0)])
def test_a_buffer_that_is_no_causal_mask_is_refused(write, mask):
    state = {**random_model().state_dict(), "transformer.h.0.attn.bias": mask}
    with pytest.raises(CheckpointError, match="is no causal mask"):
        load_subject(write(checkpoint_of() | {"model": state}))


def test_heads_may_be_stated_by_the_caller(write):
    assert load_subject(Source.at(write(random_model().state_dict()), n_head=4)).shape.d_head == 2


def test_heads_that_nothing_states_are_asked_for(write):
    with pytest.raises(CheckpointError, match="does not say how many attention heads"):
        load_subject(write(random_model().state_dict()))


@pytest.mark.parametrize("n_head", [0, -2, 3, 16, 2.0, True, "2" * 999])
def test_heads_that_do_not_divide_the_width_are_refused(write, n_head):
    with pytest.raises(CheckpointError, match="heads do not divide the width 8"):
        load_subject(write(checkpoint_of(config={"n_head": n_head})))


def test_heads_other_than_the_checkpoints_own_are_refused(write):
    with pytest.raises(CheckpointError, match="has 2 heads by its own config, and 4 were asked for"):
        load_subject(Source.at(write(checkpoint_of()), n_head=4))


def test_a_config_of_another_model_is_not_trusted(write):
    with pytest.raises(CheckpointError, match="its config says n_embd 768 and its weights have 8"):
        load_subject(write(checkpoint_of(config=argparse.Namespace(n_head=2, n_embd=768))))


def test_a_named_size_that_the_weights_do_not_have_says_nothing(write):
    with pytest.raises(CheckpointError, match="does not say how many attention heads"):
        load_subject(write(checkpoint_of(config={"model_name": "gpt2"})))
