"""Every site of the tiny model, read and replaced where it lies."""

import pytest
import torch

from mechint.circuit.space import Site
from mechint.errors import CheckpointError
from mechint.subject.architecture import EMBED, KINDS
from mechint.subject.intervene import add, at_heads, at_positions, capture, edited, keep_only, mix, replace, within
from tests.tiny import random_model, subject_of

TOKENS = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
OTHER = torch.tensor([[9, 8, 7, 6], [1, 3, 5, 7]])
MID0, MID1, OUT0, POST0 = Site(0, "resid_mid"), Site(1, "resid_mid"), Site(0, "mlp_out"), Site(0, "resid_post")


@pytest.fixture
def subject():
    return subject_of(random_model())


def value(subject, site):
    return capture(subject, [site], TOKENS)[site]


@pytest.mark.parametrize("site", [EMBED, *(Site(1, kind) for kind in KINDS[1:])], ids=str)
def test_replacing_a_site_by_another_runs_value_carries_that_run_on(subject, site):
    """All that comes after the site depends on it alone, but for what flows beside it."""
    foreign = capture(subject, [site], OTHER)[site]
    with edited(subject, {site: replace(foreign)}):
        assert torch.equal(value(subject, site), foreign)
        changed = subject.logits(TOKENS)
    assert not torch.equal(changed, subject.logits(TOKENS))


@pytest.mark.parametrize("kind", ["resid_pre", "resid_mid", "resid_post"])
def test_the_residual_stream_of_another_run_gives_that_runs_output(subject, kind):
    foreign = capture(subject, [Site(1, kind)], OTHER)[Site(1, kind)]
    with edited(subject, {Site(1, kind): replace(foreign)}):
        assert torch.equal(subject.logits(TOKENS), subject.logits(OTHER)) or torch.allclose(
            subject.logits(TOKENS), subject.logits(OTHER), atol=1e-6
        )


def test_resid_mid_goes_on_beside_the_mlp(subject):
    """The block gives e + mlp(ln_2(e)) for the e put in."""
    e = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))
    block = subject.block(0)
    with edited(subject, {MID0: replace(e)}):
        assert torch.equal(value(subject, POST0), e + block.mlp(block.ln_2(e)))


@pytest.mark.parametrize("order", [(MID0, OUT0, POST0), (POST0, OUT0, MID0), (OUT0, POST0, MID0), (POST0, MID0, OUT0)])
def test_nested_edits_of_one_block_all_count(subject, order):
    """Stream 1 past an MLP that adds 2, and then 4 more: 7, whatever was entered first."""
    edits = {MID0: lambda a: a * 0 + 1, OUT0: lambda a: a * 0 + 2, POST0: lambda a: a + 4}
    first, second, third = ({site: edits[site]} for site in order)
    with edited(subject, first), edited(subject, second), edited(subject, third):
        assert torch.equal(value(subject, POST0), torch.full((2, 4, 8), 7.0))


def test_two_edits_of_resid_mid_follow_each_other(subject):
    with edited(subject, {MID0: lambda a: a * 0 + 1}), edited(subject, {MID0: lambda a: a * 3}):
        seen = capture(subject, [MID0, OUT0, POST0], TOKENS)
    assert torch.equal(seen[MID0], torch.full((2, 4, 8), 3.0))
    assert torch.equal(seen[POST0], seen[MID0] + seen[OUT0])


def test_a_mask_at_resid_mid_has_the_gradient_of_the_finite_difference(subject):
    mask = torch.full((8,), 0.5, dtype=torch.float64, requires_grad=True)
    subject.model.double()

    def loss(mask):
        with edited(subject, {MID1: mix(mask, torch.zeros((), dtype=torch.float64))}):
            return subject.logits(TOKENS).log_softmax(-1)[..., 3].mean()

    (gradient,) = torch.autograd.grad(loss(mask), mask)
    step = torch.zeros(8, dtype=torch.float64)
    step[2] = 1e-6
    with torch.no_grad():
        assert gradient[2].item() == pytest.approx(float(loss(mask + step) - loss(mask - step)) / 2e-6, rel=1e-5)


def test_an_edit_within_positions_leaves_the_others(subject):
    site = Site(0, "v")
    with edited(subject, {site: within(at_positions([1, -1], 4), replace(torch.zeros(())))}):
        changed = value(subject, site)
    assert torch.equal(changed[:, [0, 2]], value(subject, site)[:, [0, 2]])
    assert not changed[:, [1, 3]].any()


def test_an_edit_within_heads_leaves_the_others(subject):
    site = Site(0, "z")
    with edited(subject, {site: within(at_heads(subject.units(site), [1]), replace(torch.zeros(())))}):
        changed = value(subject, site)
    assert torch.equal(changed[..., :4], value(subject, site)[..., :4])
    assert not changed[..., 4:].any()


def test_noise_is_added(subject):
    noise = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))
    before = value(subject, EMBED)
    with edited(subject, {EMBED: add(noise)}):
        assert torch.equal(value(subject, EMBED), before + noise)


def test_a_neuron_is_replaced_alone(subject):
    site, kept = Site(1, "mlp_post"), torch.ones(32, dtype=torch.bool)
    kept[5] = False
    with edited(subject, {site: keep_only(kept, torch.tensor(2.0))}):
        changed = value(subject, site)
    assert (changed[..., 5] == 2).all()
    assert torch.equal(changed[..., kept], value(subject, site)[..., kept])


def test_an_edit_of_another_shape_is_an_error_that_names_the_site(subject):
    with edited(subject, {OUT0: lambda a: a[:, :1]}), pytest.raises(ValueError, match=r"mlp_out\.0 turned \[2, 4, 8\]"):
        subject.logits(TOKENS)


def test_a_pass_that_raises_inside_a_block_leaves_no_hook(subject):
    def fail(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), edited(subject, {MID0: lambda a: a + 1, Site(0, "mlp_post"): fail}):
        subject.logits(TOKENS)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in subject.model.modules())


def test_a_kind_without_a_tap_is_refused(subject):
    with pytest.raises(CheckpointError, match="has no site pattern; it has embed, resid_pre"):
        subject.space(["pattern"])


@pytest.mark.parametrize(("side", "real"), [("left", slice(2, 6)), ("right", slice(0, 4))])
def test_padding_changes_no_real_token(subject, side, real):
    tokens, mask = torch.zeros(1, 6, dtype=torch.long), torch.zeros(1, 6, dtype=torch.bool)
    tokens[0, real], mask[0, real] = TOKENS[0], True
    torch.testing.assert_close(subject.logits(tokens, mask)[0, real], subject.logits(TOKENS[:1])[0])
