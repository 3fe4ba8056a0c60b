import pytest
import torch

from mechint.circuit.masks import hard_concrete_open, hard_concrete_sample, straight_through


@pytest.mark.parametrize("keep", [0, 1, 3, 5])
def test_a_hard_mask_keeps_exactly_the_budget(keep):
    mask, probability = straight_through(torch.randn(5, generator=torch.Generator().manual_seed(0)), keep, 0.5)
    assert mask.sum() == keep
    assert (probability > 0.5).sum() == keep


def test_gradients_flow_through_a_hard_mask():
    """The gradient is the sigmoid's: p (1 - p) / temperature, with the threshold halfway between 1 and 3."""
    logits = torch.tensor([3.0, 1.0], requires_grad=True)
    mask, _ = straight_through(logits, 1, temperature=0.5)
    mask.sum().backward()
    p = torch.sigmoid(torch.tensor([2.0, -2.0]))
    assert mask.tolist() == [1.0, 0.0]
    torch.testing.assert_close(logits.grad, p * (1 - p) / 0.5)


def test_a_soft_mask_is_its_probability():
    mask, probability = straight_through(torch.tensor([3.0, 1.0]), 1, 0.5, hard=False)
    assert torch.equal(mask, probability)


def test_hard_concrete_opens_as_often_as_it_says():
    log_alpha = torch.tensor([-2.0, 0.0, 2.0]).repeat(20_000, 1)
    drawn = hard_concrete_sample(log_alpha, torch.Generator().manual_seed(0))
    torch.testing.assert_close((drawn > 0).float().mean(0), hard_concrete_open(log_alpha[0]), atol=0.01, rtol=0)


def test_hard_concrete_stays_between_0_and_1_and_reaches_both():
    drawn = hard_concrete_sample(torch.zeros(10_000), torch.Generator().manual_seed(0))
    assert (drawn.min(), drawn.max()) == (0, 1)
