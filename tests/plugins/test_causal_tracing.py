"""Causal tracing as a method: its maps, its circuit and what it says."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mechint.plugins import causal_tracing
from pydantic import ValidationError

from mechint.errors import DataError
from mechint.journal import Journal
from mechint.search.tracing import ROLES
from mechint.task.ablation import Ablation
from mechint.task.examples import Examples, Pairs
from mechint.task.task import Task
from tests.tiny import metric_named, random_model, subject_of

COUNT = 12


@pytest.fixture(scope="module")
def subject():
    return subject_of(random_model(n_layer=3))


@pytest.fixture(scope="module")
def task():
    """Random tokens, the second and third of which are the subject."""
    tokens, other = torch.randint(11, (2, COUNT, 6), generator=torch.Generator().manual_seed(0))
    scored = torch.zeros(COUNT, 6, dtype=torch.bool)
    scored[:, -1] = True
    pairs = Pairs(
        answers=tokens[:, :1],
        distractors=other[:, :1],
        corrupted=other,
        template=torch.arange(COUNT),
        aligned=True,
        subject=torch.tensor([[1, 3]]).repeat(COUNT, 1),
    )
    examples = Examples(tokens=tokens, targets=tokens, scored=scored, pairs=pairs)
    return Task(search=examples, heldout=examples, metric=metric_named("answer_prob"), description="random")


def analyze(subject, task, **options):
    return causal_tracing.mechint_analyze(
        subject=subject,
        task=task,
        ablation=Ablation(name="zero", subject=subject, reference=task.search, seed=0),
        options=causal_tracing.Options(**options),
        schedules=None,
        seed=0,
        journal=Journal(),
    )


def test_every_kind_has_a_map_by_layer_and_role(subject, task):
    analysis = analyze(subject, task, draws=2, severed=("mlp_out",))
    assert [one.name for one in analysis.effects] == [
        "resid_post",
        "mlp_out",
        "attn_out",
        "resid_post_severed_mlp_out",
    ]
    assert {one.columns for one in analysis.effects} == {ROLES}
    assert analysis.effects[0].values.shape == (COUNT, 3, len(ROLES))


def test_a_role_that_no_prompt_has_is_missing(subject, task):
    """A subject of two tokens has no middle."""
    (streams,) = analyze(subject, task, draws=2, sites=("resid_post",)).effects
    assert streams.counts[0].tolist() == [COUNT, 0, COUNT, COUNT, COUNT, COUNT]


def test_the_circuit_keeps_whole_sites_by_their_largest_effect(subject, task):
    analysis = analyze(subject, task, draws=2, window=1, sites=("mlp_out", "attn_out"), target_sparsity=0.5)
    circuit = analysis.circuit
    assert [str(units.site) for units in circuit.space.sites[:3]] == ["mlp_out.0", "attn_out.0", "mlp_out.1"]
    assert int(circuit.kept.sum()) == 3
    largest = torch.stack(
        [torch.from_numpy(one.mean).nan_to_num(nan=-9).amax(1) for one in analysis.effects], dim=1
    ).flatten()
    assert torch.equal(circuit.scores, largest.float())


def test_streams_alone_are_a_circuit_of_streams(subject, task):
    analysis = analyze(subject, task, draws=2, sites=("resid_post",), target_sparsity=0.6)
    assert [str(units.site) for units in analysis.circuit.space.sites] == [
        "resid_post.0",
        "resid_post.1",
        "resid_post.2",
    ]


def test_the_report_says_how_it_corrupted_and_where_the_peak_is(subject, task):
    total, *peaks = analyze(subject, task, draws=2, noise_std=0.5).summary
    assert total.startswith("total effect of corrupting the subject (noise of standard deviation 0.5, 2 draws) over 12")
    assert [peak.split(":")[0] for peak in peaks] == ["resid_post", "mlp_out", "attn_out"]
    (total, *_) = analyze(subject, task, corruption="counterfactual").summary
    assert "(another subject)" in total


def test_the_same_seed_gives_the_same_effects(subject, task):
    first, second = (analyze(subject, task, draws=2).effects for _ in range(2))
    assert all(np.array_equal(a.values, b.values, equal_nan=True) for a, b in zip(first, second, strict=True))


def test_prompts_without_another_subject_need_noise(subject, task):
    alone = replace(task.search, pairs=replace(task.search.pairs, corrupted=None))
    with pytest.raises(DataError, match="corruption: noise"):
        analyze(subject, replace(task, search=alone), corruption="counterfactual")


def test_no_kind_is_no_tracing():
    with pytest.raises(ValidationError):
        causal_tracing.Options(sites=())
