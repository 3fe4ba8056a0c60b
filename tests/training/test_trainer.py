"""What training leaves behind, whole or interrupted."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from mechint.errors import DataError, UsageError
from mechint.subject.load import load_subject
from mechint.training.checkpoints import CheckpointCallback
from mechint.training.text_data import windows_of
from mechint.training.trainer import evaluate, train

pytestmark = pytest.mark.usefixtures("tiny_variants")


@pytest.fixture
def run(tmp_path, data_dir, console):
    """Trains for three steps into a folder, and gives the folder."""

    def run(names=("V0",), into="output", **options):
        train(names, tmp_path / into, data_dir, **{"steps": 3, "console": console, **options})
        return tmp_path / into

    return run


def printed(console):
    console.file.flush()
    return Path(console.file.name).read_text()


ARCHITECTURES = [("V0", "gpt2-nanogpt"), ("V1", "gpt2-nanogpt-kv-tied"), ("V2", "gpt2-nanogpt-ra")]


@pytest.mark.parametrize(("name", "architecture"), ARCHITECTURES)
def test_both_checkpoints_of_a_variant_load(run, name, architecture):
    output = run([name])
    final = load_subject(str(output / f"final_model_step{name}.pt"))
    best = load_subject(str(output / f"best_model_step{name}.pt"))
    assert final.architecture.name == best.architecture.name == architecture
    assert (final.step, final.shape.n_head, final.shape.context) == (3, 2, 16)


@pytest.mark.parametrize("name", ["V0", "V1", "V2"])
def test_a_trained_variant_is_loaded_back_bit_for_bit(run, monkeypatch, name):
    trained = []
    finished = CheckpointCallback.finished
    monkeypatch.setattr(
        CheckpointCallback, "finished", lambda *given, **facts: (trained.append(given[1]), finished(*given, **facts))
    )
    loaded = load_subject(str(run([name], steps=2) / f"final_model_step{name}.pt"))
    tokens = torch.arange(97, 109).view(1, 12)
    assert torch.equal(loaded.logits(tokens), trained[0](tokens))
    assert all(torch.equal(loaded.model.state_dict()[key], value) for key, value in trained[0].state_dict().items())


def test_a_checkpoint_names_its_tokenizer(run):
    assert load_subject(str(run(["V2"]) / "final_model_stepV2.pt")).tokenizer().encode("ab") == [97, 98]


def test_reciprocal_attention_takes_part_in_training(run):
    """Its share starts at zero, and its projection gets a gradient once the share has moved."""
    state = load_subject(str(run(["V2"]) / "final_model_stepV2.pt")).model.state_dict()
    assert state["transformer.h.0.attn.ra_logit"].abs().item() > 1e-3
    assert not torch.equal(state["transformer.h.0.attn.ra_ln.weight"], torch.ones(8))


def test_the_curves_are_saved_in_the_older_tools_format(run):
    saved = json.loads((run() / "training_metrics_stepV0.json").read_text())
    assert saved["final_iteration"] == 3
    assert saved["metrics"]["iterations"] == [1, 2, 3]
    assert saved["best_val_loss"] == min(saved["metrics"]["val_losses"])
    assert {len(values) for values in saved["metrics"].values()} == {3}


def test_the_bigram_loss_is_beside_the_validation_loss(run, console):
    """After a letter of the alphabet comes the next one: 77 times in 2000 letters, once for each of 255 others."""
    saved = json.loads((run() / "training_metrics_stepV0.json").read_text())
    expected = torch.tensor((77 + 256) / (77 + 1)).log().item()
    assert saved["bigram_val_loss"] == pytest.approx(expected, abs=0.01)
    assert f"{saved['bigram_val_loss']:.3f}" in printed(console)


def test_the_validation_loss_is_the_loaded_models_own(run):
    output = run()
    windows = 97 + torch.arange(17).expand(256, -1).add(torch.arange(256)[:, None]).remainder(26)
    loss = evaluate(load_subject(str(output / "final_model_stepV0.pt")).model, windows_of(windows)).loss
    saved = json.loads((output / "training_metrics_stepV0.json").read_text())
    assert loss == pytest.approx(saved["metrics"]["val_losses"][-1], abs=0.05)


def test_the_same_seed_gives_the_same_bytes(run):
    first, second = run(into="a") / "final_model_stepV0.pt", run(into="b") / "final_model_stepV0.pt"
    assert first.read_bytes() == second.read_bytes()


def test_another_seed_gives_another_model(run):
    first, second = run(into="a"), run(into="b", seed=1)
    assert (first / "final_model_stepV0.pt").read_bytes() != (second / "final_model_stepV0.pt").read_bytes()


def test_training_leaves_the_global_generator_alone(run):
    before = torch.get_rng_state()
    run()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_trained_variant_is_not_trained_again(run, console):
    before = (run() / "final_model_stepV0.pt").stat().st_mtime_ns
    assert (run(steps=2) / "final_model_stepV0.pt").stat().st_mtime_ns == before
    assert "was there" in printed(console)


def test_force_trains_it_again(run):
    run()
    assert load_subject(str(run(steps=2, force=True) / "final_model_stepV0.pt")).step == 2


def test_nothing_is_prepared_where_nothing_is_trained(run, tmp_path):
    output = run()
    train(["V0"], output, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()


def test_ctrl_c_leaves_the_best_model_and_the_curves(run, tmp_path, console, monkeypatch):
    """The interrupt falls into step 2 of 40, before the first evaluation, at step 5."""
    monkeypatch.setattr("mechint.training.trainer.Progress.update", interrupt_on_call(2))
    with pytest.raises(KeyboardInterrupt):
        run(steps=40)
    assert load_subject(str(tmp_path / "output/best_model_stepV0.pt")).step == 2
    assert json.loads((tmp_path / "output/training_metrics_stepV0.json").read_text())["final_iteration"] == 2
    assert "V0 stopped after 2 of 40 steps" in printed(console)


def test_ctrl_c_leaves_no_final_model(run, tmp_path, monkeypatch):
    monkeypatch.setattr("mechint.training.trainer.Progress.update", interrupt_on_call(2))
    with pytest.raises(KeyboardInterrupt):
        run(["V0", "V1"])
    assert not list((tmp_path / "output").glob("final*"))


def interrupt_on_call(number):
    calls = iter(range(1, number + 1))

    def update(*args, **kwargs):
        if next(calls) == number:
            raise KeyboardInterrupt

    return update


def test_a_killed_training_leaves_no_final_model(run, tmp_path, monkeypatch):
    monkeypatch.setattr(CheckpointCallback, "write_metrics", lambda self, **facts: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run()
    assert not (tmp_path / "output/final_model_stepV0.pt").exists()


@pytest.mark.parametrize(("names", "says"), [(["V7"], "unknown variant 'V7'"), (["V0", ""], "''"), ([], "no variant")])
def test_unknown_variants_are_refused_with_a_list(run, names, says):
    with pytest.raises(UsageError, match=rf"{says}.*there are V0 \(tiny\), V1 \(tiny\)"):
        run(names)


def test_a_text_shorter_than_a_window_is_refused(run, data_dir):
    content = b"\0" * 10
    facts = json.loads((data_dir / "data.json").read_text())
    facts["val"]["sha256"] = sha256(content).hexdigest()
    (data_dir / "data.json").write_text(json.dumps(facts))
    (data_dir / "val.bin").write_bytes(content)
    with pytest.raises(DataError, match="fewer than 17 tokens"):
        run()
