import pytest
import torch
from mechint.plugins import kv_circuit
from pydantic import ValidationError

from mechint.journal import Journal
from mechint.spec.schedules import Schedules
from mechint.task.ablation import Ablation
from tests.tiny import planted_model, random_model, subject_of, task_on


def analyze(model=None, schedules=None, journal=None, **options):
    model = model or planted_model()
    subject, task = subject_of(model), task_on(model)
    return kv_circuit.mechint_analyze(
        subject=subject,
        task=task,
        ablation=Ablation(name="mean", subject=subject, reference=task.search, seed=0),
        options=kv_circuit.Options(**{"steps": 20, **options}),
        schedules=schedules,
        seed=0,
        journal=journal or Journal(),
    )


def test_keys_and_values_have_masks_of_their_own():
    masks = analyze(target_sparsity=0.75).circuit
    by_site = {str(site): kept for site, kept in masks.space.split(masks.kept).items()}
    assert list(by_site) == ["k.0", "v.0", "k.1", "v.1"]
    assert not torch.equal(by_site["k.0"], by_site["v.0"])


def test_tied_masks_are_equal_on_keys_and_values():
    circuit = analyze(tied=True, target_sparsity=0.5).circuit
    k0, v0, k1, v1 = circuit.space.split(circuit.kept).values()
    assert torch.equal(k0, v0)
    assert torch.equal(k1, v1)
    assert circuit.sparsity == 0.5


def test_one_circuit_can_lie_over_heads_and_neurons():
    circuit = analyze(sites=("z", "mlp_post"), target_sparsity=0.5).circuit
    sizes = {str(site): len(kept) for site, kept in circuit.space.split(circuit.kept).items()}
    assert sizes == {"z.0": 2, "mlp_post.0": 32, "z.1": 2, "mlp_post.1": 32}
    assert int(circuit.kept.sum()) == 34


@pytest.mark.parametrize(
    ("options", "message"),
    [({"sites": ("k", "k")}, "listed twice"), ({"sites": ("z",), "tied": True}, r"tied masks are for sites: \[k, v\]")],
)
def test_sites_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        kv_circuit.Options(**options)


def test_models_with_tied_projections_are_searched_too():
    assert analyze(random_model(kv_tied=True), target_sparsity=0.5).circuit.sparsity == 0.5


def test_the_summary_names_the_winner_and_what_it_beat():
    (sentence,) = analyze().summary
    assert sentence.split()[0] in ("swap", "iterated_ig", "straight_through", "hard_concrete")
    assert "on the search examples (" in sentence


COSINE = Schedules.model_validate({"sparsity": "cosine", "temperature": "cosine"})


@pytest.mark.parametrize(
    ("options", "schedules", "note"),
    [
        ({"estimator": "swap", "learning_rate": 0.5}, None, "without effect on swap: learning_rate"),
        ({"estimator": "swap"}, COSINE, "without effect on swap: schedules.sparsity, schedules.temperature"),
        ({"estimator": "hard_concrete"}, COSINE, "without effect on hard_concrete: schedules.temperature"),
        ({"estimator": "straight_through", "patience": 9}, None, "without effect on straight_through: patience"),
    ],
)
def test_what_an_estimator_does_not_use_is_said(options, schedules, note):
    journal = Journal()
    analyze(schedules=schedules, journal=journal, **options)
    assert journal.notes == [note]


def test_an_estimator_that_uses_everything_says_nothing():
    journal = Journal()
    analyze(schedules=COSINE, journal=journal, learning_rate=0.2, patience=50)
    assert journal.notes == []


def test_weights_are_not_changed():
    model = planted_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    analyze(model)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
