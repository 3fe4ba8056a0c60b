import pytest
import torch

from mechint.circuit.space import Site
from mechint.errors import DataError
from mechint.subject.intervene import capture, edited, keep_only
from mechint.task.ablation import Ablation, refuse_unfit
from mechint.task.examples import Examples, Pairs
from mechint.task.task import Task
from tests.tiny import examples_from, metric_named, random_model, subject_of

SUBJECT = subject_of(random_model())
REFERENCE = examples_from(random_model(), 70, seed=1)  # three batches of reference examples
SITE = Site(1, "v")


def ablated(name: str, rows=(0, 1, 2), seed=0):
    ablation = Ablation(name=name, subject=SUBJECT, reference=REFERENCE, seed=seed)
    return ablation.at([SITE]).values(REFERENCE, rows)[SITE]


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
        return ablation.at([SITE]).values(reference, (0, 1, 2))[SITE]

    torch.testing.assert_close(values(0), values(7))


@pytest.mark.parametrize(
    ("name", "source"), [("zero", "constant 0"), ("mean", "70 search"), ("resample", "drawn by the seed")]
)
def test_each_says_what_it_was_computed_from(name, source):
    assert source in Ablation(name=name, subject=SUBJECT, reference=REFERENCE, seed=0).described


# Four prompts of two templates; the last token of a corrupted one differs.
CLEAN = torch.tensor([[1, 2, 3], [4, 5, 6], [1, 2, 7], [4, 5, 8]])
CORRUPTED = torch.tensor([[1, 2, 9], [4, 5, 9], [1, 2, 10], [4, 5, 10]])


def prompts(**changes):
    given = {"template": torch.tensor([0, 1, 0, 1]), "aligned": True, "corrupted": CORRUPTED} | changes
    return Examples(tokens=CLEAN, targets=CLEAN, pairs=Pairs(**given))


def prompt_values(name, source=None, rows=(0, 1)):
    reference = prompts()
    ablation = Ablation(name=name, subject=SUBJECT, reference=reference, seed=0)
    return ablation.at([SITE]).values(source or reference, rows)[SITE]


def seen(tokens):
    return capture(SUBJECT, [SITE], tokens)[SITE]


def test_the_counterfactual_is_the_examples_own_corrupted_prompt():
    torch.testing.assert_close(prompt_values("counterfactual", rows=(1, 3)), seen(CORRUPTED[[1, 3]]))


def test_held_out_examples_have_their_own_counterfactual():
    heldout = prompts(corrupted=CORRUPTED.flip(0))
    torch.testing.assert_close(prompt_values("counterfactual", heldout), seen(CORRUPTED.flip(0)[:2]))


def test_the_mean_of_prompts_is_taken_in_their_template():
    torch.testing.assert_close(prompt_values("mean"), (seen(CLEAN)[:2] + seen(CLEAN)[2:]) / 2)


def test_resampling_keeps_to_the_template():
    """Each template has two examples, so that the partner is the other one."""
    torch.testing.assert_close(prompt_values("resample", rows=(0, 1, 2, 3)), seen(CLEAN[[2, 3, 0, 1]]))


def count_passes(use):
    passes = []
    handle = SUBJECT.model.register_forward_pre_hook(lambda module, arguments: passes.append(1))
    use()
    handle.remove()
    return len(passes)


@pytest.mark.parametrize(("name", "passes"), [("zero", 0), ("mean", 1), ("resample", 1), ("counterfactual", 1)])
def test_the_reference_is_run_once_however_often_it_is_used(name, passes):
    ablation = Ablation(name=name, subject=SUBJECT, reference=prompts(), seed=0)

    def use():
        for _ in range(3):
            ablation.at([SITE]).values(ablation.reference, (0, 1))

    assert count_passes(use) == passes


def test_what_is_too_large_to_keep_is_computed_again(monkeypatch):
    kept = prompt_values("counterfactual")
    monkeypatch.setattr("mechint.task.ablation.MOST_HELD", 0)
    torch.testing.assert_close(prompt_values("counterfactual"), kept)


def task_of(search, heldout):
    return Task(search=search, heldout=heldout, metric=metric_named("loss"), description="")


@pytest.mark.parametrize(
    ("name", "heldout", "message"),
    [
        ("counterfactual", prompts(corrupted=None), "takes its activations from corrupted prompts, and the task has"),
        ("counterfactual", REFERENCE, "from corrupted prompts, and the task has none\n  hint: use mean or resample"),
        (
            "counterfactual",
            prompts(corrupted_mask=torch.tensor([[True] * 3] * 3 + [[True, True, False]])),
            "of as many tokens; 1 of 4 held-out examples differ",
        ),
        ("mean", prompts(template=torch.tensor([0, 1, 2, 3])), "2 templates of held-out examples have no search"),
    ],
)
def test_examples_that_an_ablation_cannot_use_are_refused(name, heldout, message):
    with pytest.raises(DataError, match=message):
        refuse_unfit(name, task_of(prompts(), heldout))


@pytest.mark.parametrize("name", ["zero", "mean", "resample", "counterfactual"])
def test_with_every_unit_kept_no_bit_changes(name):
    everything, values = torch.ones(8, dtype=torch.bool), prompt_values(name, rows=(0, 1, 2, 3))
    with edited(SUBJECT, {SITE: keep_only(everything, values)}):
        kept = SUBJECT.logits(CLEAN)
    assert torch.equal(kept, SUBJECT.logits(CLEAN))


STREAM = Site(1, "resid_post")  # what the last layer leaves: logits are its norm, unembedded


def by_hand(stream):
    """Logits of a residual stream ``[b p d]``: (x - mean) / sqrt(variance + 1e-5), times the embedding."""
    centred = stream - stream.mean(-1, keepdim=True)
    normed = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return normed @ SUBJECT.model.lm_head.weight.T


def streams():
    """Both layers' streams for the clean and the corrupted prompts."""
    return (capture(SUBJECT, [STREAM], tokens)[STREAM] for tokens in (CLEAN, CORRUPTED))


@pytest.mark.parametrize("name", ["zero", "mean", "resample", "counterfactual"])
def test_outputs_worked_out_by_hand(name):
    """Everything ablated but the first channel of the last layer's stream."""
    clean, corrupted = streams()
    means = (clean[:2] + clean[2:]) / 2
    instead = {"zero": torch.zeros(()), "mean": means.repeat(2, 1, 1), "resample": clean[[2, 3, 0, 1]]}
    expected = instead.get(name, corrupted).expand_as(clean).clone()
    expected[..., 0] = clean[..., 0]
    first = torch.arange(8) == 0
    ablation = Ablation(name=name, subject=SUBJECT, reference=prompts(), seed=0)
    values = ablation.at([STREAM]).values(ablation.reference, range(4))
    with edited(SUBJECT, {STREAM: keep_only(first, values[STREAM])}):
        torch.testing.assert_close(SUBJECT.logits(CLEAN), by_hand(expected), atol=1e-5, rtol=1e-5)
