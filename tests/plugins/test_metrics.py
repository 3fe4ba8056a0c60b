import math

import pytest
import torch

from mechint.task.examples import Examples
from tests.tiny import all_metrics, metric_named

# Two positions over two tokens: probabilities .8/.2 and .5/.5 for the target and the other token.
LOGITS = torch.tensor([[[0.8, 0.2], [0.5, 0.5]]]).log()
EXAMPLES = Examples(tokens=torch.tensor([[0, 0]]), targets=torch.tensor([[0, 1]]))
# The full model is sure of token 0 at .9 and .5.
FULL = torch.tensor([[[0.9, 0.1], [0.5, 0.5]]]).log()

LOSS = -(math.log(0.8) + math.log(0.5)) / 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("loss", LOSS),
        ("perplexity", math.exp(LOSS)),
        ("accuracy", 0.5),  # the tie at the second position goes to token 0, the target is 1
        ("kl_div", (0.9 * math.log(0.9 / 0.8) + 0.1 * math.log(0.1 / 0.2)) / 2),
        ("agreement", 1.0),
    ],
)
def test_values_worked_out_by_hand(name, expected):
    assert metric_named(name).score(LOGITS, EXAMPLES, FULL).tolist() == pytest.approx([expected], abs=1e-6)


def test_the_surrogate_of_accuracy_is_the_missing_probability():
    """1 - (.8 + .5) / 2."""
    assert metric_named("accuracy").loss(LOGITS, EXAMPLES, FULL).tolist() == pytest.approx([0.35])


@pytest.mark.parametrize("metric", all_metrics(), ids=lambda metric: metric.name)
def test_every_loss_is_differentiable_and_per_example(metric):
    logits = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    examples = Examples(tokens=torch.zeros(3, 4, dtype=torch.long), targets=torch.ones(3, 4, dtype=torch.long))
    loss = metric.loss(logits, examples, logits.detach() + 1)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert loss.shape == (3,)
    assert gradient.shape == logits.shape


def test_divergence_from_itself_is_zero():
    assert metric_named("kl_div").score(FULL, EXAMPLES, FULL).tolist() == pytest.approx([0.0], abs=1e-7)
