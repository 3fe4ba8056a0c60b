import pytest
import torch

from mechint.circuit.space import Site
from mechint.subject.intervene import capture
from mechint.task.ablation import Ablation
from mechint.task.examples import Examples
from tests.tiny import examples_from, random_model, subject_of

SUBJECT = subject_of(random_model())
REFERENCE = examples_from(random_model(), 70, seed=1)  # three batches of reference examples
SITE = Site(1, "v")


def ablated(name: str, rows=(0, 1, 2), seed=0):
    ablation = Ablation(name=name, subject=SUBJECT, reference=REFERENCE, seed=seed)
    return ablation.at([SITE]).values(REFERENCE.take(torch.tensor(rows)), rows)[SITE]


def test_zero_is_zero():
    assert ablated("zero").tolist() == 0.0


def test_mean_is_taken_over_examples_and_positions():
    activation = capture(SUBJECT, [SITE], REFERENCE.tokens)[SITE]
    torch.testing.assert_close(ablated("mean"), activation.mean((0, 1)))


def test_resampling_gives_another_examples_activation():
    activations = capture(SUBJECT, [SITE], REFERENCE.tokens)[SITE]
    drawn = ablated("resample")
    same = [int((activations == one).all((1, 2)).nonzero()) for one in drawn]
    assert all(partner != row for partner, row in zip(same, (0, 1, 2), strict=True))


def test_an_example_meets_the_same_partner_in_any_batch():
    assert torch.equal(ablated("resample")[2], ablated("resample", rows=(2,))[0])


def test_the_seed_changes_the_partners():
    assert not torch.equal(ablated("resample"), ablated("resample", seed=1))


def padded_reference(side, pad):
    """Every other example lacks two tokens, and has ``pad`` in their places."""
    mask = torch.ones_like(REFERENCE.tokens, dtype=torch.bool)
    mask[::2, slice(None, 2) if side == "left" else slice(-2, None)] = False
    return Examples(tokens=torch.where(mask, REFERENCE.tokens, pad), targets=REFERENCE.targets, mask=mask)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", ["mean", "resample"])
def test_what_stands_at_padding_does_not_count(name, side):
    def values(pad):
        reference = padded_reference(side, pad)
        ablation = Ablation(name=name, subject=SUBJECT, reference=reference, seed=0)
        return ablation.at([SITE]).values(reference.take(torch.tensor([0, 1, 2])), (0, 1, 2))[SITE]

    torch.testing.assert_close(values(0), values(7))


@pytest.mark.parametrize(("name", "source"), [("zero", "constant 0"), ("mean", "70 search"), ("resample", "seed 0")])
def test_each_says_what_it_was_computed_from(name, source):
    assert source in Ablation(name=name, subject=SUBJECT, reference=REFERENCE, seed=0).described
