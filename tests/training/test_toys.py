"""The toys, trained for a moment, and to the end in the slow tests."""

import json
import math

import pytest
import torch

from mechint.circuit.space import Site
from mechint.errors import CheckpointError
from mechint.subject.intervene import at_heads, capture, edited, within
from mechint.subject.intervene import replace as put
from mechint.subject.load import load_subject
from mechint.training.data import NOT_SCORED, Batch
from mechint.training.hand_induction import HandInduction, build_hand_induction
from mechint.training.toy_data import all_sums, repeated_tokens
from mechint.training.trainer import evaluate, train
from mechint.training.variants import choose_variants

TOYS = ["induction", "modular_addition", "hand_induction"]
TRAINED = TOYS[:2]


@pytest.fixture
def run(tmp_path, console):
    """Makes toys in a folder, and gives it; there is no text to train on."""

    def run(names=TOYS, **options):
        train(names, tmp_path / "toys", tmp_path / "none", **{"steps": 3, "console": console, **options})
        return tmp_path / "toys"

    return run


def known(folder, name):
    return json.loads((folder / f"known_circuit_step{name}.json").read_text())


@pytest.mark.parametrize("name", TOYS)
def test_a_toy_loads_and_has_no_tokenizer(run, name):
    (variant,) = choose_variants([name])
    subject = load_subject(str(run([name]) / f"final_model_step{name}.pt"))
    assert (subject.shape.n_vocab, subject.shape.context) == (variant.shape.vocab_size, variant.shape.block_size)
    assert subject.architecture.name == "gpt2-nanogpt"
    with pytest.raises(CheckpointError, match="without a tokenizer"):
        subject.tokenizer()


def test_toys_need_no_text(run, tmp_path):
    run()
    assert not (tmp_path / "none").exists()


def test_the_hand_built_model_is_loaded_back_bit_for_bit(run):
    tokens = torch.arange(20).view(2, 10)
    loaded = load_subject(str(run(["hand_induction"]) / "final_model_stephand_induction.pt"))
    assert torch.equal(loaded.logits(tokens), build_hand_induction(HandInduction())(tokens))


def test_the_hand_built_models_circuit_is_its_two_heads(run):
    assert known(run(["hand_induction"]), "hand_induction")["units"] == {"z.0": [1], "z.1": [2]}


@pytest.mark.parametrize(("name", "site"), [("induction", "z.1"), ("modular_addition", "mlp_post.0")])
def test_a_known_circuit_says_how_it_was_found(run, name, site):
    circuit = known(run([name]), name)
    assert site in circuit["units"]
    assert "at least" in circuit["procedure"]
    assert all(scores for scores in circuit["scores"].values())


def test_a_known_circuit_that_is_missing_is_found_again_without_training(run):
    folder = run(["induction"])
    path, before = (
        folder / "known_circuit_stepinduction.json",
        (folder / "final_model_stepinduction.pt").stat().st_mtime_ns,
    )
    circuit = path.read_bytes()
    path.unlink()
    run(["induction"])
    assert path.read_bytes() == circuit
    assert (folder / "final_model_stepinduction.pt").stat().st_mtime_ns == before


def test_a_text_model_has_no_known_circuit(tmp_path, data_dir, tiny_variants, console):
    train(["V0"], tmp_path / "output", data_dir, steps=1, console=console)
    assert not list((tmp_path / "output").glob("known_circuit*"))


@pytest.mark.parametrize("name", TRAINED)
def test_accuracy_stands_beside_the_curves(run, name):
    folder = run([name])
    saved = json.loads((folder / f"training_metrics_step{name}.json").read_text())
    model = load_subject(str(folder / f"final_model_step{name}.pt")).model
    (variant,) = choose_variants([name])
    if name == "induction":
        assert saved["val_accuracy"] == evaluate(model, repeated_tokens(variant.shape).held_out).accuracy
    assert 0 <= saved["val_accuracy"] < 0.2
    assert saved["metrics"]["val_losses"][-1] > 3


def test_a_toy_is_the_same_on_one_thread_and_on_two_and_leaves_their_number(run, tmp_path):
    torch.set_num_threads(2)
    try:
        first = (run(TRAINED, force=True) / "final_model_stepinduction.pt").read_bytes()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert (run(TRAINED, force=True) / "final_model_stepinduction.pt").read_bytes() == first


def test_what_is_scored_is_averaged():
    """Of 200 rows one has two targets and one has one. All 8 logits are equal: each loss is ln 8, and 0 comes first."""
    model = build_hand_induction(HandInduction(n_vocab=8, context=8))
    model.lm_head.weight.zero_()
    targets = torch.full((200, 4), NOT_SCORED)
    targets[0, 1:3], targets[199, 3] = torch.tensor([0, 5]), 0
    measured = evaluate(model, Batch(tokens=torch.zeros(200, 4, dtype=torch.long), targets=targets))
    assert measured.loss == pytest.approx(math.log(8))
    assert measured.accuracy == pytest.approx(2 / 3)


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toys")
    train(TRAINED, folder, folder)
    return folder


def without(subject, layer, heads, examples):
    """Accuracy with some heads ablated to their means."""
    site = Site(layer, "z")
    mean = capture(subject, [site], examples.tokens)[site].mean((0, 1))
    with edited(subject, {site: within(at_heads(subject.units(site), heads), put(mean))}):
        return evaluate(subject.model, examples).accuracy


@pytest.mark.slow
def test_the_induction_toy_has_a_head_that_it_needs_and_heads_that_stand_in_for_each_other(toys):
    subject, circuit = load_subject(str(toys / "final_model_stepinduction.pt")), known(toys, "induction")["units"]
    (variant,) = choose_variants(["induction"])
    examples = repeated_tokens(variant.shape).held_out
    assert evaluate(subject.model, examples).accuracy > 0.99
    assert without(subject, 0, circuit["z.0"], examples) < 0.25
    assert len(circuit["z.1"]) > 2
    assert all(without(subject, 1, [head], examples) > 0.95 for head in circuit["z.1"])
    assert without(subject, 1, circuit["z.1"], examples) < 0.1


@pytest.mark.slow
def test_the_induction_toys_other_heads_hardly_matter(toys):
    subject, circuit = load_subject(str(toys / "final_model_stepinduction.pt")), known(toys, "induction")["units"]
    (variant,) = choose_variants(["induction"])
    examples = repeated_tokens(variant.shape).held_out
    for layer in range(2):
        others = [head for head in range(8) if head not in circuit[f"z.{layer}"]]
        assert without(subject, layer, others, examples) > 0.95


@pytest.mark.slow
def test_the_modular_toy_adds_all_numbers_with_its_periodic_neurons_alone(toys):
    subject = load_subject(str(toys / "final_model_stepmodular_addition.pt"))
    sums, site = all_sums(53), Site(0, "mlp_post")
    assert evaluate(subject.model, sums).accuracy > 0.99
    periodic = torch.zeros(256, dtype=torch.bool)
    periodic[known(toys, "modular_addition")["units"]["mlp_post.0"]] = True
    mean = capture(subject, [site], sums.tokens)[site].mean(0)
    with edited(subject, {site: within(~periodic, put(mean))}):
        assert evaluate(subject.model, sums).accuracy > 0.95
    with edited(subject, {site: within(periodic, put(mean))}):
        assert evaluate(subject.model, sums).accuracy < 0.4
