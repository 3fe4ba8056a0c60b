import pytest
import torch
from mechint.plugins import neuron_importance

from mechint.circuit.overlap import auroc
from mechint.journal import Journal
from mechint.spec.schedules import Schedules
from mechint.task.ablation import Ablation
from tests.bigram import bigram_model, bigram_task, planted
from tests.subject.families import FAMILIES, VOCAB, open_family, save
from tests.tiny import random_model, subject_of, task_on

WAYS = ["attribution", "integrated_gradients", "activation_norm", "leave_one_out", "learned"]


def analyze(subject=None, task=None, schedules=None, journal=None, **options):
    subject, task = subject or subject_of(bigram_model(0)), task or bigram_task(0)
    options = {"steps": 20, **options} if options.get("scores") == "learned" else options
    return neuron_importance.mechint_analyze(
        subject=subject,
        task=task,
        ablation=Ablation(name="mean", subject=subject, reference=task.search, seed=0),
        options=neuron_importance.Options(**options),
        schedules=schedules,
        seed=0,
        journal=journal or Journal(),
    )


def knows():
    """The planted neurons of the model, as a circuit."""
    return torch.cat([torch.isin(torch.arange(64), torch.tensor(own)) for own in planted(0).values()])


@pytest.mark.parametrize("scores", WAYS)
def test_the_sparsity_asked_for_is_delivered(scores):
    """128 neurons less round(.9 * 128) = 115 are 13."""
    assert int(analyze(scores=scores).circuit.kept.sum()) == 13


@pytest.mark.parametrize("scores", ["attribution", "integrated_gradients", "leave_one_out", "learned"])
def test_a_planted_circuit_is_kept_whole(scores):
    circuit = analyze(scores=scores).circuit
    assert circuit.kept[knows()].all()


def test_the_size_of_activations_is_no_causal_estimate_and_says_so():
    """Neurons that write little may be as large: the reference does not single out the planted ones."""
    found = analyze(scores="activation_norm")
    assert "no causal estimate" in found.scores_are
    assert "no causal estimate" in found.summary[0]
    assert found.circuit.scores.min() > 0


@pytest.mark.parametrize("scores", ["attribution", "leave_one_out"])
def test_causal_scores_say_what_they_estimate(scores):
    found = analyze(scores=scores)
    assert "loss" in found.scores_are
    assert found.summary == []


def test_gated_neurons_are_scored_behind_their_gate(tmp_path):
    """In a llama: leaving out a neuron is zeroing its column of the down projection."""
    subject = open_family(save(FAMILIES["llama"], tmp_path))
    task = text_task(subject)
    ablation = Ablation(name="zero", subject=subject, reference=task.search, seed=0)
    found = neuron_importance.mechint_analyze(
        subject=subject, task=task, ablation=ablation, options=neuron_importance.Options(scores="leave_one_out"),
        schedules=None, seed=0, journal=Journal(),
    )  # fmt: skip
    before = mean_loss(subject, task)
    subject.module("model.layers.1.mlp.down_proj").weight[:, 7] = 0
    assert float(found.circuit.scores[48 + 7]) == pytest.approx(mean_loss(subject, task) - before, abs=1e-5)


def text_task(subject):
    task = task_on(random_model(), search=4, heldout=2)
    assert subject.shape.n_vocab == VOCAB
    return task


def mean_loss(subject, task):
    logits = subject.logits(task.search.tokens)
    return float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), task.search.targets.flatten()))


def test_the_best_neurons_of_each_layer_are_described():
    """The five planted neurons of layer 1 each raise the token that follows theirs, whose logits they answer for."""
    top, fire = analyze().tables
    assert [row[0].split(".")[0] for row in top.rows] == ["0"] * 5 + ["1"] * 5
    assert {row[0] for row in top.rows[5:]} == {f"1.{index}" for index in list(planted(0).values())[1]}
    assert all(float(row[-1]) > 0 for row in top.rows[5:])
    assert len(fire.rows) == 3 * 10


def test_a_planted_neuron_fires_on_its_token_alone():
    journal = Journal()
    _, fire = analyze(journal=journal, top=5).tables
    on = {}
    for neuron, text, _ in fire.rows:
        on.setdefault(neuron, set()).add(text.split("«")[1].split("»")[0])
    assert all(len(tokens) == 1 for neuron, tokens in on.items() if neuron.startswith("1."))
    assert journal.notes == ["tokens are shown by their ids: the checkpoint comes without a tokenizer"]


def test_a_model_without_a_linear_direct_path_says_so(tmp_path):
    subject, journal = open_family(save(FAMILIES["gemma3"], tmp_path)), Journal()
    top, _ = analyze(subject, text_task(subject), journal=journal, top=2).tables
    assert "Direct effect" not in top.header
    assert journal.notes[0].startswith("direct effects are left out: what the MLP of layer 0 gives is normalised")


COSINE = Schedules.model_validate({"sparsity": "cosine"})


@pytest.mark.parametrize(
    ("options", "schedules", "note"),
    [
        ({"steps": 50, "points": 4}, None, "without effect on scores: integrated_gradients: steps"),
        (
            {"scores": "attribution", "points": 4},
            COSINE,
            "without effect on scores: attribution: points, schedules.sparsity",
        ),
        ({"points": 4, "batch_size": 8}, None, None),
        (
            {"scores": "learned", "estimator": "swap", "learning_rate": 0.2},
            None,
            "without effect on swap: learning_rate",
        ),
    ],
)
def test_what_a_way_of_scoring_does_not_use_is_said(options, schedules, note):
    journal = Journal()
    analyze(schedules=schedules, journal=journal, **options)
    assert [said for said in journal.notes if "tokens are shown" not in said] == ([] if note is None else [note])


@pytest.mark.parametrize("scores", WAYS)
def test_weights_are_not_changed(scores):
    model = bigram_model(0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    analyze(subject_of(model), scores=scores)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_scores_single_out_the_planted_neurons():
    assert auroc(analyze().circuit.scores, knows()) == 1.0
