"""Patching the induction model that was set by hand, of which it is known what every head does."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mechint.plugins import activation_patching, induction
from pydantic import ValidationError

from mechint.errors import DataError
from mechint.journal import Journal
from mechint.task.ablation import Ablation
from mechint.training.hand_induction import HandInduction, build_hand_induction
from tests.tiny import metric_named, random_model, subject_of, task_on


@pytest.fixture(scope="module")
def subject():
    return subject_of(build_hand_induction(HandInduction()))


@pytest.fixture(scope="module")
def make_task(subject):
    def make(metric="logit_diff"):
        options = induction.Options(examples={"train": 12, "validation": 8}, ids=(1, 39), length=8)
        return induction.mechint_task(subject=subject, options=options, metric=metric_named(metric))

    return make


def analyze(subject, task, **options):
    return activation_patching.mechint_analyze(
        subject=subject,
        task=task,
        ablation=Ablation(name="zero", subject=subject, reference=task.search, seed=0),
        options=activation_patching.Options(**options),
        schedules=None,
        seed=0,
        journal=Journal(),
    )


def test_the_two_heads_have_the_two_largest_effects(subject, make_task):
    """The behaviour needs each of them; of the other six nothing is read."""
    analysis = analyze(subject, make_task(), direction="noising", target_sparsity=0.75)
    effects = analysis.effects[0].mean.flatten()
    assert sorted(effects.argsort()[-2:].tolist()) == [1, 6]
    assert np.abs(effects[[0, 2, 3, 4, 5, 7]]).max() < 1e-6
    assert analysis.circuit.kept.nonzero().flatten().tolist() == [1, 6]


def test_the_induction_head_alone_suffices(subject, make_task):
    """Restored keys make it attend to the right place, where the corrupted prompt has another token to copy."""
    effects = analyze(subject, make_task(), direction="denoising").effects[0].mean.flatten()
    assert float(effects[6]) == pytest.approx(1, abs=0.02)
    assert np.abs(effects[[0, 1, 2, 3, 4, 5, 7]]).max() < 0.05


def test_noising_one_head_of_the_chain_takes_everything(subject, make_task):
    """Without the previous-token head the induction head finds nothing, and attends as in the corrupted run."""
    effects = analyze(subject, make_task(), direction="noising").effects[0].mean
    assert float(effects[0, 1]) == pytest.approx(1, abs=0.02)
    assert float(effects[1, 2]) == pytest.approx(1, abs=0.02)


def test_keys_queries_and_values_are_told_apart(subject, make_task):
    """Where the induction head asks, both prompts have the same token; its keys and values are of the first copy."""
    maps = analyze(subject, make_task(), direction="noising", sites=("q", "k", "v")).effects
    at_head = {one.name: float(one.mean[1, 2]) for one in maps}
    assert at_head["q"] == pytest.approx(0, abs=1e-6)
    assert at_head["k"] > 0.9
    assert at_head["v"] > 0.9


@pytest.mark.parametrize(("reader", "expected"), [("q", 0.0), ("k", 1.0), ("v", 0.0)])
def test_the_previous_token_head_tells_the_induction_head_its_keys_alone(subject, make_task, reader, expected):
    path = {"from": "z", "to": reader, "into": ["1.2"]}
    analysis = analyze(subject, make_task(), direction="noising", path=path)
    (one,) = analysis.effects
    assert one.name == f"z_to_{reader}_1_2"
    assert float(one.mean[0, 1]) == pytest.approx(expected, abs=0.02)
    assert np.abs(one.mean[0, [0, 2, 3]]).max() < 0.02


def test_positions_show_where_the_previous_token_is_written(subject, make_task):
    """The repeated half is of four tokens, whose successor the answer is: it stands at number 4 of the first copy."""
    analysis = analyze(subject, make_task(), direction="noising", by="position", sites=("attn_out",))
    (one,) = analysis.effects
    assert one.columns[:3] == ("0", "1", "2")
    assert int(np.nan_to_num(one.mean[0]).argmax()) == 4
    assert float(one.mean[0, 4]) == pytest.approx(1, abs=0.02)


def test_a_position_that_an_example_lacks_has_no_effect_there(subject, make_task):
    """Gaps of 0, 2, 4 and 6 tokens make prompts of 12 to 18."""
    task = make_task()
    (one,) = analyze(subject, task, by="position", sites=("resid_pre",)).effects
    lengths = task.search.real.sum(1)
    assert one.counts[0].tolist() == [int((lengths > nth).sum()) for nth in range(18)]


@pytest.mark.parametrize("approximation", ["attribution", "integrated_gradients"])
def test_estimates_come_with_what_they_are_worth(subject, make_task, approximation):
    analysis = analyze(subject, make_task(), approximation=approximation, check=8)
    _, quality, apart = analysis.tables
    assert quality.title == "How good the approximation is"
    assert quality.rows[0][0].startswith("rank correlation")
    assert len(apart.rows) == 8


def test_a_metric_without_a_gradient_is_refused(subject, make_task):
    with pytest.raises(DataError, match="accuracy has no gradient"):
        analyze(subject, make_task("accuracy"), approximation="attribution")


def test_running_text_is_refused():
    model = random_model()
    with pytest.raises(DataError, match=r"takes activations from corrupted prompts, and the task has none\n  hint"):
        analyze(subject_of(model), task_on(model))


def test_sites_without_heads_are_refused(subject, make_task):
    with pytest.raises(DataError, match="mlp_out, which has no heads"):
        analyze(subject, make_task(), sites=("mlp_out",))


@pytest.mark.parametrize(("into", "message"), [("1.7", "has 2 layers with 4 heads"), ("0.1", "before layer 0")])
def test_a_receiver_must_be_there(subject, make_task, into, message):
    with pytest.raises(DataError, match=message):
        analyze(subject, make_task(), path={"from": "z", "to": "k", "into": [into]})


def test_a_path_leaves_no_choice_of_sites():
    with pytest.raises(ValidationError, match="leave out by, sites"):
        activation_patching.Options(path={"to": "k", "into": ["1.2"]}, by="layer", sites=("z",))


def test_a_difference_within_chance_leaves_effects_in_the_metrics_unit(subject, make_task):
    """Answers and distractors change places in every other example, so that the difference is 0 on the average."""
    task = make_task()
    pairs, odd = task.search.pairs, (torch.arange(12) % 2 == 1)[:, None]
    answers = torch.where(odd, pairs.distractors, pairs.answers)
    distractors = torch.where(odd, pairs.answers, pairs.distractors)
    mixed = replace(task.search, pairs=replace(pairs, answers=answers, distractors=distractors))
    analysis = analyze(subject, replace(task, search=mixed))
    assert "may be chance" in analysis.summary[0]
    assert analysis.effects[0].quantity == task.metric.unit
