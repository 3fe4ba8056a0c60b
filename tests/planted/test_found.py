"""What the methods make of planted circuits: they find exactly them, and say where single ablation is misled."""

import functools

import pytest
import torch
from mechint.plugins import head_pruning, kv_circuit
from sklearn.metrics import f1_score, roc_auc_score

from mechint.circuit.space import Site
from mechint.journal import Journal
from mechint.task.ablation import Ablation
from tests.planted import plant_backup, plant_channels

CONSTRUCTIONS = range(20)


def analyze(method, planted, **options):
    subject, task = planted.subject, planted.task(search=64)
    return method.mechint_analyze(
        subject=subject,
        task=task,
        ablation=Ablation(name="mean", subject=subject, reference=task.search, seed=0),
        options=method.Options(**options),
        schedules=None,
        seed=0,
        journal=Journal(),
    )


@pytest.fixture(scope="module")
def found():
    """Of a construction what was planted, and the circuit of as many channels by exact scores."""

    @functools.cache
    def found(seed):
        planted = plant_channels(seed)
        space = planted.subject.space({"k": "channel", "v": "channel"})
        truth = planted.kept(space)
        sparsity = 1 - float(truth.float().mean())
        return truth, analyze(kv_circuit, planted, target_sparsity=sparsity, scores="leave_one_out").circuit

    return found


@pytest.mark.parametrize("seed", CONSTRUCTIONS)
def test_kv_circuit_keeps_the_planted_channels(found, seed):
    truth, circuit = found(seed)
    assert int(circuit.kept.sum()) == int(truth.sum())
    assert f1_score(truth, circuit.kept) >= 0.99


@pytest.mark.parametrize("seed", CONSTRUCTIONS)
def test_kv_circuits_exact_scores_are_highest_on_planted_channels(found, seed):
    truth, circuit = found(seed)
    assert roc_auc_score(truth, circuit.scores) == 1


def test_kv_circuits_gradients_nearly_find_the_planted_channels_too():
    planted = plant_channels(0)
    truth = planted.kept(planted.subject.space({"k": "channel", "v": "channel"}))
    circuit = analyze(kv_circuit, planted, target_sparsity=1 - float(truth.float().mean())).circuit
    assert roc_auc_score(truth, circuit.scores) >= 0.9


@pytest.fixture(scope="module", params=range(3))
def backup(request):
    planted = plant_backup(request.param)
    analysis = analyze(head_pruning, planted, scores="leave_one_out", search="minimal", target_faithfulness=0.95)
    *pair, induction = [(site.layer, head) for site in sorted(planted.truth) for head in planted.truth[site]]
    return pair, induction, analysis


def test_leaving_single_heads_out_misses_a_pair_that_stands_in_for_each_other(backup):
    pair, induction, analysis = backup
    scores = analysis.circuit.space.split(analysis.circuit.scores)
    assert [float(scores[Site(layer, "z")][head]) for layer, head in pair] == pytest.approx([0, 0], abs=1e-4)
    assert float(scores[Site(induction[0], "z")][induction[1]]) > 1


def test_the_smallest_circuit_has_one_of_the_pair_and_the_report_names_the_other(backup):
    pair, induction, analysis = backup
    kept = analysis.circuit.space.split(analysis.circuit.kept)
    heads = [(site.layer, head) for site, units in kept.items() for head in torch.nonzero(units).flatten().tolist()]
    (one,) = set(heads) - {induction}
    (other,) = set(pair) - {one}
    told = f"{one[0]}.{one[1]} is redundant: without it alone the full model loses 0.000 of its faithfulness"
    assert any(sentence.startswith(told) and sentence.endswith("{}.{}".format(*other)) for sentence in analysis.summary)
