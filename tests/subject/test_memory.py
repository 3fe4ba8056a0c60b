"""Bytes of weights and of what a backward pass holds."""

import torch

from mechint.subject.memory import held_per_token, weight_bytes
from tests.tiny import random_model, subject_of


def test_tied_weights_count_once():
    model = random_model()
    expected = 4 * sum(weight.numel() for weight in model.parameters())  # parameters() leaves out the twin
    assert weight_bytes(subject_of(model)) == expected


def test_twice_the_layers_hold_nearly_twice_as_much():
    two, four = (held_per_token(subject_of(random_model(n_layer=n))) for n in (2, 4))
    assert 1.5 < four / two < 2.2


def test_at_least_the_inputs_of_the_products_are_held():
    """A frozen layer keeps what its non-linear parts need: q, k, v, z of 8 and the MLP's 32, in float32, twice."""
    assert held_per_token(subject_of(random_model())) >= 2 * 4 * (4 * 8 + 32)


def test_the_model_is_as_it_was():
    subject = subject_of(random_model())
    tokens = torch.tensor([[1, 2, 3]])
    before = subject.logits(tokens)
    held_per_token(subject)
    assert torch.equal(subject.logits(tokens), before)
    assert not any(weight.requires_grad for weight in subject.model.parameters())
    assert not any(module._forward_hooks for module in subject.model.modules())
