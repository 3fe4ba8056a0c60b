"""The procedures find what is there by construction."""

import math

import pytest
import torch

from mechint.subject.nanogpt import GPT, GPTConfig
from mechint.training.hand_induction import HandInduction, build_hand_induction
from mechint.training.known_circuits import find_induction_heads, find_periodic_neurons
from mechint.training.toy_data import repeated_tokens
from tests.tiny import subject_of

PLANS = {
    "one of each": HandInduction(n_vocab=24, context=24),
    "two of each": HandInduction(
        n_vocab=24, context=24, n_layer=3, previous=((0, 0), (1, 3)), induction=((2, 1), (2, 2)), sharpness=20
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_heads_set_by_hand_are_found_by_their_attention(name):
    plan = PLANS[name]
    found = find_induction_heads(
        subject_of(build_hand_induction(plan)), repeated_tokens(plan.config).held_out.tokens[:32]
    )
    expected = {f"z.{layer}": [] for layer in range(plan.n_layer)}
    for layer, head in (*plan.previous, *plan.induction):
        expected[f"z.{layer}"].append(head)
    assert found.units == expected


def test_a_head_that_looks_right_and_writes_little_is_none():
    plan = PLANS["two of each"]
    model = build_hand_induction(plan)
    d_head = plan.config.n_embd // plan.n_head
    model.get_parameter("transformer.h.2.attn.c_proj.weight")[:, 2 * d_head : 3 * d_head] *= 0.1
    found = find_induction_heads(subject_of(model), repeated_tokens(plan.config).held_out.tokens[:32])
    assert found.units["z.2"] == [1]
    assert found.scores["induction"][2][2] > 0.9


def test_the_attention_of_the_hand_built_heads_is_nearly_all_where_it_should_be():
    """At sharpness 12 and 24 things to look at, 1 - 23 e^-12 = .9999 or more."""
    plan = PLANS["one of each"]
    tokens = repeated_tokens(plan.config).held_out.tokens[:32]
    scores = find_induction_heads(subject_of(build_hand_induction(plan)), tokens).scores
    assert scores["previous_token"][0][1] == pytest.approx(1, abs=2e-4)
    assert scores["induction"][1][2] == pytest.approx(1, abs=2e-4)


FREQUENCIES = (1, 2, 3)
P = 7
GAINS = {
    0: ({2: 1.0}, 1.0),
    3: ({1: 2.0, 3: 1.0}, 1.0),
    4: ({1: 1.0, 2: 1.0, 3: 1.0}, 1.0),
    5: ({3: 1.0}, 0.01),
}
"""For some neurons how much of each frequency they read, and how much they write."""


def periodic_model():
    """Neurons that add up cosines of a and b, exactly.

    A number is cosines and sines of three frequencies, and their opposites so that they sum to 0. Attention is uniform
    and adds the mean of a, b and =. The ballast of ±1024 makes norms linear, and a bias of 20 the GELU.
    """
    d = 16
    model = GPT(GPTConfig(n_layer=1, n_head=1, n_embd=d, block_size=3, vocab_size=P + 1))
    model.requires_grad_(requires_grad=False)
    for name, weight in model.named_parameters():
        weight.fill_(math.sqrt(2 * 1024**2 / d) if ".ln_" in name and name.endswith("weight") else 0.0)
    angles = 2 * math.pi * torch.arange(P).unsqueeze(1) * torch.tensor(FREQUENCIES) / P
    codes = torch.cat([angles.cos(), angles.sin()], dim=1)
    model.get_parameter("transformer.wte.weight")[:P, 2:14] = torch.cat([codes, -codes], dim=1)
    model.get_parameter("transformer.wpe.weight")[:, :2] = torch.tensor([1024.0, -1024.0])
    block = model.get_submodule("transformer.h.0")
    block.attn.c_attn.weight[2 * d + 2 : 2 * d + 14, 2:14] = torch.eye(12)
    block.attn.c_proj.weight[2:14, 2:14] = torch.eye(12)
    for neuron, (reads, writes) in GAINS.items():
        for frequency, gain in reads.items():
            block.mlp.c_fc.weight[neuron, 1 + frequency] = 3 * gain
        block.mlp.c_fc.bias[neuron] = 20.0
        block.mlp.c_proj.weight[4, neuron] = writes
    return model


def test_neurons_of_one_frequency_are_found_and_others_are_not():
    """Neuron 3 has 2² / (2² + 1²) = .8 of one frequency, neuron 4 a third of each, neuron 5 writes a hundredth."""
    found = find_periodic_neurons(subject_of(periodic_model()))
    assert found.units == {"mlp_post.0": [0, 3]}
    shares, frequencies = found.scores["periodic"][0], found.scores["frequency"][0]
    assert [shares[neuron] for neuron in GAINS] == pytest.approx([1, 0.8, 1 / 3, 1], abs=1e-3)
    assert [frequencies[neuron] for neuron in (0, 3, 5)] == [2, 1, 3]
