"""The model of compiled programs, and what is refused of a checkpoint of one."""

from dataclasses import replace

import pytest
import torch

from mechint.checkpoint.checkpoint import Checkpoint
from mechint.errors import CheckpointError
from mechint.subject.selfcheck import check_sites
from mechint.subject.subject import Subject
from mechint.subject.tracr import TRACR, UNEMBEDDING, Tracr, TracrConfig, load_tracr, shape_of

CONFIG = TracrConfig(n_layer=2, n_head=2, d_head=3, d_model=7, d_mlp=5, n_vocab=6, n_out=4, context=5)
FACTS = {
    "model_type": "tracr",
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "head_dim": 3,
    "hidden_size": 7,
    "intermediate_size": 5,
    "vocab_size": 6,
    "max_position_embeddings": 5,
    "output_values": [0, 1, 2, 3],
}
TOKENS = torch.tensor([[1, 2, 3, 4], [5, 0, 1, 2]])


@pytest.fixture
def model():
    model = Tracr(CONFIG).eval().requires_grad_(requires_grad=False)
    generator = torch.Generator().manual_seed(0)
    for weight in model.parameters():
        weight.copy_(torch.randn(weight.shape, generator=generator))
    return model


@pytest.fixture
def subject(model):
    return Subject(
        model=model,
        architecture=TRACR,
        shape=shape_of(CONFIG),
        name="tiny",
        sha256="0" * 64,
        step=None,
        unembedding=UNEMBEDDING,
    )


@pytest.fixture
def checkpoint(model):
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    return Checkpoint(
        path="tiny", sha256="0" * 64, layout="safetensors", weights=weights, facts={}, step=None, best_val_loss=None
    )


def test_the_table_keeps_its_promises(subject):
    assert [check.promise for check in check_sites(subject) if not check.held] == []


def test_a_position_sees_later_ones(subject):
    changed = TOKENS.clone()
    changed[:, -1] = 0
    assert not torch.allclose(subject.logits(TOKENS)[:, 0], subject.logits(changed)[:, 0])


def test_logits_are_over_the_values_of_the_output(subject):
    assert subject.logits(TOKENS).shape == (2, 4, 4)


@pytest.mark.parametrize("left", [0, 1])
def test_padding_changes_nothing(subject, left):
    mask = torch.ones(2, 5, dtype=torch.bool)
    mask[:, 0 if left else -1] = False
    padded = torch.zeros(2, 5, dtype=torch.long).masked_scatter(mask, TOKENS)
    assert torch.allclose(subject.logits(padded, mask)[:, left : left + 4], subject.logits(TOKENS), atol=1e-5)


def test_a_checkpoint_gives_the_same_model(subject, checkpoint):
    model, architecture, shape = load_tracr(FACTS, checkpoint)
    assert architecture is TRACR
    assert shape == shape_of(CONFIG)
    assert torch.equal(replace(subject, model=model).logits(TOKENS), subject.logits(TOKENS))
    assert not any(weight.requires_grad for weight in model.parameters())


def test_an_output_that_is_a_number_has_one_logit(checkpoint):
    weights = {**checkpoint.weights, "unembed.weight": torch.ones(1, 7)}
    model, _, _ = load_tracr({**FACTS, "output_values": None}, replace(checkpoint, weights=weights))
    assert model.config.n_out == 1


@pytest.mark.parametrize(
    ("fact", "value", "message"),
    [
        ("head_dim", None, "its config states no whole number from 1 on for head_dim"),
        ("intermediate_size", 0, "no whole number from 1 on for intermediate_size"),
        ("hidden_size", True, "no whole number from 1 on for hidden_size"),
        ("output_values", 4, "output_values in its config is 4; expected the list"),
        ("output_values", [], "output_values in its config is \\[\\]"),
        ("num_attention_heads", 3, r"attn\.q\.weight \[6, 7\], expected \[9, 7\]"),
        ("num_hidden_layers", 1, r"not understood +blocks\.1\.attn\.q\.weight"),
        ("num_hidden_layers", 3, r"missing +blocks\.2\.attn\.q\.weight \[6, 7\]"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(checkpoint, fact, value, message):
    with pytest.raises(CheckpointError, match=message):
        load_tracr({**FACTS, fact: value}, checkpoint)
