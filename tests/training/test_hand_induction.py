"""The hand-built model does what its page says, by ablation and by patching."""

import pytest
import torch

from mechint.circuit.space import Site
from mechint.subject.intervene import at_heads, capture, edited, replace, within
from mechint.training.hand_induction import HandInduction, build_hand_induction
from tests.tiny import subject_of

LENGTH = 16
PREVIOUS, INDUCTION = Site(0, "z"), Site(1, "z")
HEADS = [(layer, head) for layer in range(2) for head in range(4)]


@pytest.fixture(scope="module")
def subject():
    return subject_of(build_hand_induction(HandInduction()))


@pytest.fixture(scope="module")
def tokens():
    """A beginning token and sixteen distinct ones, twice ``[b p]``."""
    first = torch.rand(32, 39, generator=torch.Generator().manual_seed(0)).argsort(1)[:, :LENGTH] + 1
    return torch.cat([torch.zeros(32, 1, dtype=torch.long), first, first], dim=1)


def accuracy(logits, tokens):
    """In the second copy, up to its last token."""
    return float((logits[:, -LENGTH:-1].argmax(-1) == tokens[:, -LENGTH + 1 :]).float().mean())


@torch.no_grad()
def replaced(subject, site, heads, value, tokens):
    with edited(subject, {site: within(at_heads(subject.units(site), heads), replace(value))}):
        return subject.logits(tokens)


def mean_of(subject, site, tokens):
    return capture(subject, [site], tokens)[site].mean((0, 1))


@pytest.mark.parametrize("start", [0, 1], ids=["with a beginning token", "without one"])
def test_every_token_of_the_second_copy_is_predicted(subject, tokens, start):
    assert accuracy(subject.logits(tokens[:, start:]), tokens[:, start:]) == 1


def test_the_right_logit_stands_ten_above_all_others(subject, tokens):
    """The induction head gives its key 1 - 39 e^-12 of its attention at least, so at most .003 of the 10 is missing."""
    logits = subject.logits(tokens)[:, -LENGTH:-1]
    best = logits.topk(2).values
    assert (best[..., 0] - best[..., 1]).min().item() == pytest.approx(10, abs=0.004)


@pytest.mark.parametrize(("site", "head"), [(PREVIOUS, 1), (INDUCTION, 2)])
@pytest.mark.parametrize("ablation", ["zero", "mean"])
def test_without_either_head_it_guesses(subject, tokens, site, head, ablation):
    """Of a sequence's sixteen tokens a guess is right once in sixteen."""
    value = torch.zeros(()) if ablation == "zero" else mean_of(subject, site, tokens)
    assert accuracy(replaced(subject, site, [head], value, tokens), tokens) <= 1 / LENGTH


@pytest.mark.parametrize(("layer", "head"), [other for other in HEADS if other not in ((0, 1), (1, 2))])
def test_no_other_head_changes_a_bit_though_each_gives_something(subject, tokens, layer, head):
    site = Site(layer, "z")
    assert capture(subject, [site], tokens)[site].unflatten(-1, (4, -1))[..., head, :].abs().max() > 0.1
    assert torch.equal(replaced(subject, site, [head], torch.zeros(()), tokens), subject.logits(tokens))


def test_mlps_write_nothing(subject, tokens):
    outputs = capture(subject, [Site(0, "mlp_out"), Site(1, "mlp_out")], tokens)
    assert all(not output.any() for output in outputs.values())


@pytest.mark.parametrize(("kind", "right"), [("q", 1), ("k", 0), ("v", 1)])
def test_the_previous_token_reaches_the_induction_head_by_its_keys_alone(subject, tokens, kind, right):
    """What the head's q, k or v becomes without the previous-token head is put into the whole model."""
    site = Site(1, kind)
    with edited(subject, {PREVIOUS: within(at_heads(subject.units(PREVIOUS), [1]), replace(torch.zeros(())))}):
        without = capture(subject, [site], tokens)[site]
    assert accuracy(replaced(subject, site, [2], without, tokens), tokens) == pytest.approx(right, abs=1 / LENGTH)


@pytest.mark.parametrize("kind", ["q", "v"])
def test_queries_and_values_change_by_the_norms_rounding_alone(subject, tokens, kind):
    """The ballast is 2 · 1024² of the stream's squared length, the code that goes .98 of it: norms move by 2e-7."""
    site = Site(1, kind)
    with edited(subject, {PREVIOUS: within(at_heads(subject.units(PREVIOUS), [1]), replace(torch.zeros(())))}):
        without = capture(subject, [site], tokens)[site]
    torch.testing.assert_close(
        replaced(subject, site, [2], without, tokens)[:, -LENGTH:],
        subject.logits(tokens)[:, -LENGTH:],
        atol=1e-4,
        rtol=0,
    )


@pytest.mark.parametrize("n_layer", [2, 4])
def test_its_heads_can_stand_elsewhere(n_layer):
    plan = HandInduction(
        n_layer=n_layer, n_head=3, n_vocab=16, context=16, previous=((0, 2),), induction=((n_layer - 1, 0),)
    )
    first = torch.rand(8, 16, generator=torch.Generator().manual_seed(1)).argsort(1)[:, :8]
    tokens = torch.cat([first, first], dim=1)
    logits = build_hand_induction(plan)(tokens)
    assert torch.equal(logits[:, 8:15].argmax(-1), tokens[:, 9:])


def test_building_it_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    build_hand_induction(HandInduction(n_vocab=8, context=8))
    assert torch.equal(torch.get_rng_state(), before)
