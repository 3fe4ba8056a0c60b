"""The rules of relevance: the same outputs, and gradients that share them out."""

from contextlib import nullcontext

import pytest
import torch
from torch.nn import functional

from mechint.circuit.space import Site
from mechint.errors import CheckpointError
from mechint.subject.intervene import edited
from mechint.subject.relevance_rules import find_rules
from tests.subject.families import FAMILIES, TOKENS, build, open_family, save
from tests.tiny import random_model, subject_of
from tests.variants import VARIANTS, variant_model

FITTING = [name for name in FAMILIES if name not in ("mixtral", "qwen2_moe")]
SIGMOID = [name for name in VARIANTS if "gated" in name]


def run(subject, context, dtype=torch.float32):
    """The logits, and what enters the first layer, which they depend on."""
    begun = []

    def begin(stream):
        begun.append(stream.detach().to(dtype).requires_grad_())
        return begun[0]

    with context, edited(subject, {Site(0, "resid_pre"): begin}):
        return subject.logits(TOKENS[:, :5]), begun[0]


@pytest.mark.parametrize(
    ("name", "attending"),
    [*((name, "constant") for name in FITTING), *((name, "shared") for name in FITTING if name != "gemma2")],
)
def test_outputs_are_the_same_bits(name, attending, tmp_path):
    subject = open_family(save(FAMILIES[name], tmp_path))
    plain, _ = run(subject, nullcontext())
    ruled, _ = run(subject, find_rules(subject).applied(attending))
    assert torch.equal(plain, ruled)
    assert torch.equal(subject.logits(TOKENS[:, :5]), plain)
    assert not any(module._forward_hooks for module in subject.model.modules())


@pytest.mark.parametrize("name", ["mixtral", "qwen2_moe"])
def test_experts_are_refused_by_name(name, tmp_path):
    with pytest.raises(CheckpointError, match=r"mixture\): it has no site mlp_post"):
        find_rules(open_family(save(FAMILIES[name], tmp_path)))


@pytest.mark.parametrize("name", SIGMOID)
def test_a_gate_that_is_no_module_is_noticed(name):
    """The heads' outputs are multiplied by a sigmoid, for which there is no rule."""
    with pytest.raises(CheckpointError, match="something in it is none of what they know"):
        find_rules(subject_of(variant_model(name)))


@pytest.mark.parametrize("name", [name for name in VARIANTS if name not in SIGMOID])
def test_the_other_variants_of_attention_fit(name):
    assert find_rules(subject_of(variant_model(name))).gated == ()


def test_capped_attention_has_no_rule_for_sharing(tmp_path):
    rules = find_rules(open_family(save(FAMILIES["gemma2"], tmp_path)))
    with pytest.raises(CheckpointError, match="hint: cp_lrp"), rules.applied("shared"):
        pass


def test_an_activation_that_is_not_0_at_0_is_refused():
    model = random_model()
    model.transformer["h"][1].mlp.gelu = torch.nn.Sigmoid()
    with pytest.raises(CheckpointError, match="Sigmoid is not 0 at 0"):
        find_rules(subject_of(model))


def test_a_gradient_is_the_one_of_the_rules_by_hand(tmp_path):
    """One token attends to itself alone, so attention is linear; norms and the MLP are written out from the weights."""
    subject = open_family(save(FAMILIES["llama"], tmp_path, num_hidden_layers=1, attention_bias=False))
    block, model = subject.model.model.layers[0], subject.model
    token = TOKENS[:1, :1]
    with find_rules(subject).applied("constant"):
        logits, begun = _begun(subject, token)
    (found,) = torch.autograd.grad(logits.square().sum() / 2, begun)

    def norm(module, x):
        return module.weight * x * (x.detach().square().mean(-1, keepdim=True) + module.variance_epsilon).rsqrt()

    x = begun.detach().requires_grad_()
    v = functional.linear(norm(block.input_layernorm, x), block.self_attn.v_proj.weight)
    z = v.unflatten(-1, (2, 8)).repeat_interleave(2, dim=-2).flatten(-2)
    mid = x + functional.linear(z, block.self_attn.o_proj.weight)
    read = norm(block.post_attention_layernorm, mid)
    gate, up = block.mlp.gate_proj(read), block.mlp.up_proj(read)
    neurons = (gate * torch.sigmoid(gate).detach() * up.detach() + functional.silu(gate).detach() * up) / 2
    expected = model.lm_head(norm(model.model.norm, mid + block.mlp.down_proj(neurons)))
    (by_hand,) = torch.autograd.grad(expected, x, expected.detach())
    torch.testing.assert_close(found, by_hand, rtol=1e-4, atol=1e-4 * float(by_hand.abs().max()))


def _begun(subject, token):
    begun = []

    def begin(stream):
        begun.append(stream.detach().requires_grad_())
        return begun[0]

    with edited(subject, {Site(0, "resid_pre"): begin}):
        return subject.logits(token), begun[0]


def test_weights_stay_as_they_are(tmp_path):
    subject = open_family(save(FAMILIES["llama"], tmp_path))
    run(subject, find_rules(subject).applied("shared"))
    known = build(FAMILIES["llama"]).state_dict()
    assert all(torch.equal(weight, known[name]) for name, weight in subject.model.state_dict().items())
