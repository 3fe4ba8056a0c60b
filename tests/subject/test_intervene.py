import pytest
import torch

from mechint.circuit.space import Site
from mechint.subject.intervene import capture, edited, keep_only, mix
from tests.tiny import random_model, subject_of

TOKENS = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
K0, V1 = Site(0, "k"), Site(1, "v")


@pytest.fixture
def subject():
    return subject_of(random_model())


def test_no_edits_hook_nothing(subject):
    bare = subject.logits(TOKENS)
    with edited(subject, {}):
        assert torch.equal(subject.logits(TOKENS), bare)
    assert not any(module._forward_hooks for module in subject.model.modules())


def test_keeping_everything_gives_the_bare_models_bits(subject):
    everything = keep_only(torch.ones(8, dtype=torch.bool), torch.tensor(0.0))
    bare = subject.logits(TOKENS)
    with edited(subject, {K0: everything, V1: everything}):
        assert torch.equal(subject.logits(TOKENS), bare)


def test_a_mask_of_ones_gives_the_bare_models_bits(subject):
    bare = subject.logits(TOKENS)
    with edited(subject, {V1: mix(torch.ones(8), torch.full((8,), 3.0))}):
        assert torch.equal(subject.logits(TOKENS), bare)


def test_outputs_are_restored_when_the_block_raises(subject):
    bare = subject.logits(TOKENS)
    with pytest.raises(ZeroDivisionError), edited(subject, {K0: lambda activation: activation * 0}):
        1 / 0  # noqa: B018 - it raises
    assert torch.equal(subject.logits(TOKENS), bare)


def test_inner_edits_see_what_outer_ones_returned(subject):
    seen = {}

    def look(activation):
        seen["inner"] = activation
        return activation

    with edited(subject, {V1: torch.zeros_like}), edited(subject, {V1: look}):
        subject.logits(TOKENS)
    assert not seen["inner"].any()


def test_zeroing_a_channel_equals_zeroing_its_row_of_the_projection(subject):
    """V channel 5 of layer 1 is row 2 * 8 + 5 of c_attn: q, then k, then v."""
    kept = torch.ones(8, dtype=torch.bool)
    kept[5] = False
    with edited(subject, {V1: keep_only(kept, torch.tensor(0.0))}):
        hooked = subject.logits(TOKENS)
    with torch.no_grad():
        subject.model.get_submodule("transformer.h.1.attn.c_attn").weight[21] = 0
        subject.model.get_submodule("transformer.h.1.attn.c_attn").bias[21] = 0
    torch.testing.assert_close(subject.logits(TOKENS), hooked)


def test_keys_and_values_of_a_tied_model_are_edited_apart():
    subject = subject_of(random_model(kv_tied=True))
    seen = capture(subject, [Site(0, "k"), Site(0, "v")], TOKENS)
    with edited(subject, {Site(0, "k"): torch.zeros_like}):
        after = capture(subject, [Site(0, "v")], TOKENS)
    assert torch.equal(seen[Site(0, "k")], seen[Site(0, "v")])
    assert torch.equal(after[Site(0, "v")], seen[Site(0, "v")])


def test_capture_reads_the_projections_own_output(subject):
    seen = capture(subject, [K0], TOKENS)[K0]
    block = subject.model.get_submodule("transformer.h.0")
    embedded = subject.model.transformer["wte"](TOKENS) + subject.model.transformer["wpe"].weight[:4]
    expected = block.attn.c_attn(block.ln_1(embedded))[..., 8:16]
    assert torch.equal(seen, expected)


def test_mix_is_linear_in_the_mask():
    activation, ablated = torch.full((1, 1, 2), 4.0), torch.tensor([0.0, 2.0])
    assert mix(torch.tensor([0.25, 0.5]), ablated)(activation).flatten().tolist() == [1.0, 3.0]
