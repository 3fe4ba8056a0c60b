import math

import pytest
import torch

from mechint.task.examples import NO_TOKEN, Examples, Pairs
from mechint.task.score import read_scores
from tests.tiny import all_metrics, loss, metric_named, random_model, score, subject_of

# Two positions over two tokens: probabilities .8/.2 and .5/.5 for the target and the other token.
LOGITS = torch.tensor([[[0.8, 0.2], [0.5, 0.5]]]).log()
EXAMPLES = Examples(tokens=torch.tensor([[0, 0]]), targets=torch.tensor([[0, 1]]), n_bytes=torch.tensor([[1, 3]]))
# The full model is sure of token 0 at .9 and .5.
FULL = torch.tensor([[[0.9, 0.1], [0.5, 0.5]]]).log()

LOSS = -(math.log(0.8) + math.log(0.5)) / 2

# One prompt of one token, scored there, over five tokens: answers 0 and 1, distractors 2 and 3.
CHOICE = torch.tensor([[[0.4, 0.1, 0.2, 0.25, 0.05]]]).log()
PROMPT = Examples(
    tokens=torch.tensor([[4]]),
    targets=torch.tensor([[0]]),
    scored=torch.tensor([[True]]),
    pairs=Pairs(
        answers=torch.tensor([[0, 1, NO_TOKEN]]),
        distractors=torch.tensor([[2, 3]]),
        template=torch.tensor([0]),
        aligned=True,
    ),
)
# A prompt whose answer is the two tokens 0 and 1, read at its last two positions: probabilities .4 and .5.
SPELT = torch.tensor([[[0.1, 0.9], [0.4, 0.6], [0.5, 0.5]]]).log()
SEQUENCE = Examples(
    tokens=torch.tensor([[1, 1, 0]]),
    targets=torch.tensor([[1, 0, 1]]),
    scored=torch.tensor([[False, True, True]]),
    pairs=Pairs(template=torch.tensor([0]), aligned=True),
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("loss", LOSS),
        ("perplexity", math.exp(LOSS)),
        ("accuracy", 0.5),  # the tie at the second position goes to token 0, the target is 1
        ("bits_per_byte", 2 * LOSS / math.log(2) / 4),  # two tokens that stand for four bytes
        ("kl_div", (0.9 * math.log(0.9 / 0.8) + 0.1 * math.log(0.1 / 0.2)) / 2),
        ("agreement", 1.0),
    ],
)
def test_text_worked_out_by_hand(name, expected):
    assert score(name, LOGITS, EXAMPLES, FULL).tolist() == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("loss", -math.log(0.5)),
        ("perplexity", 2.0),
        ("accuracy", 1.0),  # .4 beats .25
        ("logit_diff", (math.log(0.4) + math.log(0.1) - math.log(0.2) - math.log(0.25)) / 2),
        ("log_odds", math.log(0.5 / 0.45)),
        ("prob_diff", 0.05),
        ("answer_prob", 0.5),
        ("kl_div", 0.0),
        ("agreement", 1.0),
    ],
)
def test_answer_sets_worked_out_by_hand(name, expected):
    assert score(name, CHOICE, PROMPT).tolist() == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("loss", -(math.log(0.4) + math.log(0.5)) / 2),
        ("answer_prob", 0.2),
        ("accuracy", 0.0),  # the first of its tokens is not the most probable one
    ],
)
def test_an_answer_of_several_tokens_counts_as_a_whole(name, expected):
    assert score(name, SPELT, SEQUENCE).tolist() == pytest.approx([expected], abs=1e-6)


def test_an_answer_that_ties_with_a_distractor_is_not_right():
    assert score("accuracy", torch.zeros(1, 1, 5), PROMPT).tolist() == [0.0]


def test_the_surrogate_of_accuracy_is_the_missing_probability():
    """1 - (.8 + .5) / 2."""
    assert loss("accuracy", LOGITS, EXAMPLES, FULL).tolist() == pytest.approx([0.35])


@pytest.mark.parametrize("metric", all_metrics(), ids=lambda metric: metric.name)
def test_every_loss_is_differentiable_and_per_example(metric):
    examples = EXAMPLES if "bytes" in metric.needs else PROMPT
    shape = (3, *examples.tokens.shape[1:], 5)
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    value = loss(metric.name, logits, examples.take(torch.zeros(3, dtype=torch.long)), logits.detach() + 1)
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    assert value.shape == (3,)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("metric", all_metrics(), ids=lambda metric: metric.name)
def test_a_loss_falls_where_the_metric_gets_better(metric):
    """Along the loss's own gradient, on a model that is far from the full one."""
    examples = EXAMPLES if "bytes" in metric.needs else PROMPT
    generator = torch.Generator().manual_seed(1)
    logits, full = (torch.randn(1, *examples.tokens.shape[1:], 5, generator=generator) for _ in range(2))
    stride = 100.0 if metric.name in ("accuracy", "agreement") else 0.01  # those two move in steps
    (slope,) = torch.autograd.grad(loss(metric.name, logits.requires_grad_(), examples, full).sum(), logits)
    before, after = (score(metric.name, at, examples, full).item() for at in (logits, logits - stride * slope))
    assert after >= before if metric.higher_is_better else after < before


def test_divergence_from_itself_is_zero():
    assert score("kl_div", FULL, EXAMPLES, FULL).tolist() == pytest.approx([0.0], abs=1e-7)


def test_divergence_is_never_negative():
    """Over a thousand pairs of distributions, beyond float32's rounding."""
    generator = torch.Generator().manual_seed(0)
    logits, full = (torch.randn(1000, 1, 7, generator=generator, dtype=torch.float64) * 3 for _ in range(2))
    many = Examples(tokens=torch.zeros(1000, 1, dtype=torch.long), targets=torch.zeros(1000, 1, dtype=torch.long))
    assert float(score("kl_div", logits, many, full).min()) >= 0


SUBJECT = subject_of(random_model())
ROWS = torch.randint(11, (7, 5), generator=torch.Generator().manual_seed(3))


def prompt_of(tokens, mask=None, scored=None):
    """Prompts, each with two answers and a distractor; scored at the last position."""
    n, width = tokens.shape
    ids = {"answers": torch.tensor([[1, 2]] * n), "distractors": torch.tensor([[3]] * n)}
    pairs = Pairs(**ids, template=torch.zeros(n), aligned=False)
    last = (torch.arange(width) == width - 1).expand(n, width)
    return Examples(tokens=tokens, targets=tokens, mask=mask, scored=last if scored is None else scored, pairs=pairs)


def prompts(side, pad):
    """Seven prompts of three to five tokens, padded with ``pad``."""
    lengths = torch.tensor([5, 4, 3, 5, 3, 4, 5]).unsqueeze(1)
    place = torch.arange(5)
    mask = place < lengths if side == "right" else place >= 5 - lengths
    scored = place == (lengths - 1 if side == "right" else torch.full_like(lengths, 4))
    tokens = torch.full_like(ROWS, pad)
    tokens[mask] = torch.cat([row[: int(length)] for row, length in zip(ROWS, lengths, strict=True)])
    return prompt_of(tokens, mask, scored)


@torch.no_grad()
def measured(name, examples, size):
    parts = []
    for batch in examples.batches(size):
        readout = SUBJECT.readout(batch.tokens, batch.mask, batch.where)
        parts.append(read_scores([metric_named(name)], readout, batch, readout)[name])
    return torch.cat(parts)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", ["loss", "accuracy", "logit_diff", "log_odds", "prob_diff", "answer_prob"])
def test_padding_and_batches_do_not_matter(name, side):
    """Against every prompt alone, without padding."""
    padded = prompts("right", pad=0)
    rows = [row[real].unsqueeze(0) for row, real in zip(padded.tokens, padded.real, strict=True)]
    alone = torch.cat([measured(name, prompt_of(row), 1) for row in rows])
    for size in (1, 7):
        torch.testing.assert_close(measured(name, prompts(side, pad=6), size), alone, atol=1e-6, rtol=1e-6)
