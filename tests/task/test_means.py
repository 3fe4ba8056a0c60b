import torch

from mechint.circuit.space import Site
from mechint.subject.intervene import capture
from mechint.task.examples import Examples, Pairs
from mechint.task.means import means_at, take_means
from tests.tiny import random_model, subject_of

SUBJECT = subject_of(random_model())
SITE = Site(1, "v")
TOKENS = torch.randint(11, (40, 6), generator=torch.Generator().manual_seed(0))
TEMPLATE = torch.arange(40) % 2


def prompts(*, aligned=True, mask=None):
    return Examples(tokens=TOKENS, targets=TOKENS, mask=mask, pairs=Pairs(template=TEMPLATE, aligned=aligned))


def activations(examples):
    return capture(SUBJECT, [SITE], examples.tokens, examples.mask)[SITE]


def test_text_has_one_mean_over_examples_and_positions():
    text = Examples(tokens=TOKENS, targets=TOKENS)
    torch.testing.assert_close(take_means(SUBJECT, [SITE], text)[SITE], activations(text).mean((0, 1)))


def test_aligned_prompts_have_one_for_each_template_and_position():
    means = take_means(SUBJECT, [SITE], prompts())[SITE]
    for template in (0, 1):
        torch.testing.assert_close(means[template], activations(prompts())[template::2].mean(0))


def test_prompts_that_are_not_aligned_have_one_as_text_has():
    assert take_means(SUBJECT, [SITE], prompts(aligned=False))[SITE].shape == (8,)


def test_the_nth_token_counts_on_either_side_of_padding():
    """Template 1 has four tokens, padded on the left in some examples and on the right in others."""
    mask = torch.ones(40, 6, dtype=torch.bool)
    mask[1::4, :2] = False
    mask[3::4, 4:] = False
    examples = prompts(mask=mask)
    seen = activations(examples)
    expected = torch.cat([seen[1::4, 2:], seen[3::4, :4]]).mean(0)  # [4 u]
    torch.testing.assert_close(take_means(SUBJECT, [SITE], examples)[SITE][1, :4], expected)


def test_every_example_gets_its_templates_mean():
    means = torch.arange(24.0).view(2, 6, 2)
    found = means_at(means, prompts().take(slice(0, 3)))
    assert torch.equal(found, means[[0, 1, 0]])
