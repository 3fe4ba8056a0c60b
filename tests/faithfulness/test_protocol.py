import pytest
import torch
from safetensors.torch import load_file

from mechint.circuit.circuit import Circuit
from mechint.faithfulness.protocol import BATCH, measure, save_per_example
from mechint.journal import Journal
from mechint.task.ablation import Ablation
from tests.tiny import PLANTED_K, PLANTED_V, planted_model, subject_of, task_on, usable_metrics


def measured(kept=None, *, ablation="mean", metric="loss", heldout=16, random=20, complement=True):
    model = planted_model()
    subject, task = subject_of(model), task_on(model, metric, heldout=heldout)
    space = subject.space(("k", "v"))
    if kept is None:
        kept = torch.zeros(space.size, dtype=torch.bool)
        for site, units in (PLANTED_K | PLANTED_V).items():
            space.split(kept)[site][list(units)] = True
    return measure(
        subject,
        task,
        Circuit(space=space, kept=kept, scores=kept.float()),
        Ablation(name=ablation, subject=subject, reference=task.search, seed=0),
        usable_metrics(task),
        random=random,
        complement=complement,
        seed=0,
        journal=Journal(),
    )


@pytest.mark.parametrize("metric", ["loss", "perplexity", "accuracy", "kl_div", "agreement"])
@pytest.mark.parametrize("ablation", ["zero", "mean", "resample"])
def test_full_is_1_and_empty_is_0_for_every_metric_and_ablation(metric, ablation):
    everything = torch.ones(32, dtype=torch.bool)
    assert measured(everything, metric=metric, ablation=ablation, random=1).measures["faithfulness"] == 1.0
    assert measured(~everything, metric=metric, ablation=ablation, random=1).measures["faithfulness"] == 0.0


@pytest.mark.parametrize("ablation", ["zero", "mean", "resample"])
def test_the_planted_circuit_beats_its_controls(ablation):
    found = measured(ablation=ablation).measures
    assert found["faithfulness"] > 0.9
    assert found["margin_over_random"] > 0.5
    assert found["p_random"] == pytest.approx(1 / 21)


def test_zeroing_all_but_the_planted_units_changes_nothing():
    """The others reach the output through zero weights only."""
    values = measured(ablation="zero").per_example
    torch.testing.assert_close(values["circuit"]["loss"], values["full"]["loss"])


def test_sparsity_and_units_are_counted():
    found = measured().measures
    assert (found["sparsity"], found["units_kept"]) == (0.75, 8.0)


def test_every_example_of_every_model_is_kept():
    values = measured(heldout=BATCH + 3).per_example
    assert values["circuit"]["loss"].shape == (BATCH + 3,)
    assert values["random"]["accuracy"].shape == (20, BATCH + 3)


def test_the_complement_can_be_left_out():
    assert measured(complement=False).measures["completeness"] is None


def test_per_example_values_are_saved_by_name(tmp_path):
    found = measured()
    save_per_example(found, tmp_path / "values.safetensors")
    saved = load_file(tmp_path / "values.safetensors")
    assert torch.equal(saved["circuit/kl_div"], found.per_example["circuit"]["kl_div"])


def test_the_same_seed_draws_the_same_random_circuits():
    assert torch.equal(measured().per_example["random"]["loss"], measured().per_example["random"]["loss"])
