from dataclasses import dataclass

import numpy as np
import pytest
import torch

from mechint.circuit.circuit import Circuit
from mechint.faithfulness.derive import derive_facts, estimate_measures
from mechint.faithfulness.models import choose_models
from mechint.faithfulness.per_example import PerExample
from mechint.faithfulness.protocol import BATCH, measure
from mechint.journal import Journal
from mechint.spec.values import Controls
from mechint.task.ablation import Ablation
from tests.tiny import PLANTED_K, PLANTED_V, planted_model, subject_of, task_on, usable_metrics


@dataclass(frozen=True)
class Measured:
    """What the protocol gives of a circuit, and the measures that follow."""

    per_example: PerExample
    measures: dict[str, float | None]


def measured(
    kept=None, *, ablation="mean", metric="loss", heldout=16, random=20, complement=True, curve=None, minimality=0
):
    model = planted_model()
    subject, task = subject_of(model), task_on(model, metric, heldout=heldout)
    space = subject.space(("k", "v"))
    if kept is None:
        kept = torch.zeros(space.size, dtype=torch.bool)
        for site, units in (PLANTED_K | PLANTED_V).items():
            space.split(kept)[site][list(units)] = True
    circuit = Circuit(space=space, kept=kept, scores=kept.float())
    controls = Controls(random=random, complement=complement, minimality=minimality)
    models = choose_models(circuit, controls, curve, seed=0)
    instead = Ablation(name=ablation, subject=subject, reference=task.search, seed=0)
    values = measure(subject, task, space, models, instead, usable_metrics(task), Journal())
    estimates = estimate_measures(values)
    measures = {name: None if one is None else one.value for name, one in estimates.items()}
    return Measured(values, measures | derive_facts(values, circuit))


@pytest.mark.parametrize("metric", ["loss", "perplexity", "accuracy", "kl_div", "agreement"])
@pytest.mark.parametrize("ablation", ["zero", "mean", "resample"])
def test_full_is_1_and_empty_is_0_for_every_metric_and_ablation(metric, ablation):
    everything = torch.ones(32, dtype=torch.bool)
    assert measured(everything, metric=metric, ablation=ablation, random=20).measures["faithfulness"] == 1.0
    assert measured(~everything, metric=metric, ablation=ablation, random=20).measures["faithfulness"] == 0.0


def test_metrics_of_the_full_model_are_measures_too_but_for_those_that_compare_with_it():
    found = measured()
    assert found.measures["full_loss"] == pytest.approx(found.per_example.means["full"]["loss"])
    assert found.measures["loss_increase"] == pytest.approx(found.measures["loss"] - found.measures["full_loss"])
    assert "full_kl_div" not in found.measures


@pytest.mark.parametrize("ablation", ["zero", "mean", "resample"])
def test_the_planted_circuit_beats_its_controls(ablation):
    found = measured(ablation=ablation).measures
    assert found["faithfulness"] > 0.9
    assert found["margin_over_random"] > 0.5
    assert found["p_random"] == pytest.approx(1 / 21)


def test_zeroing_all_but_the_planted_units_changes_nothing():
    """The others reach the output through zero weights only."""
    values = measured(ablation="zero").per_example.values
    np.testing.assert_allclose(values["circuit"]["loss"], values["full"]["loss"])


def test_sparsity_and_units_are_counted():
    found = measured().measures
    assert (found["sparsity"], found["units_kept"]) == (0.75, 8.0)


def test_every_example_of_every_model_is_kept():
    values = measured(heldout=BATCH + 3).per_example.values
    assert values["circuit"]["loss"].shape == (BATCH + 3,)
    assert values["random"]["accuracy"].shape == (20, BATCH + 3)


def test_the_complement_can_be_left_out():
    assert measured(complement=False).measures["completeness"] is None


def test_the_same_seed_draws_the_same_random_circuits():
    assert np.array_equal(measured().per_example.of("random"), measured().per_example.of("random"))
