"""The callback on a real Trainer, with a stand-in for the program."""

import json
import math
import shutil

import pytest
import torch
from torch.nn.parallel import DataParallel
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from mechint.errors import UsageError
from mechint.training.gate import SpecGate
from mechint.training.transformers_trainer import MechintCallback
from tests.training.stand_in import StandIn


def tiny_gpt2():
    torch.manual_seed(1)
    return GPT2LMHeadModel(
        GPT2Config(n_layer=2, n_head=2, n_embd=8, n_positions=6, vocab_size=11, bos_token_id=0, eos_token_id=0)
    )


def compiled(model):
    return torch.compile(model, backend="eager")


@pytest.fixture
def windows():
    """Nothing predicts a first token, and one that is labelled would count in the Trainer's mean all the same."""
    tokens = torch.randint(11, (16, 6), generator=torch.Generator().manual_seed(0))
    labels = tokens.clone()
    labels[:, 0] = -100
    return [{"input_ids": row, "labels": label} for row, label in zip(tokens, labels, strict=True)]


@pytest.fixture
def trainer_with(tmp_path, windows):
    """A Trainer of eight steps with this callback; further arguments go to the Trainer's own."""

    def trainer_with(callback, *, model=None, evaluated=None, **options):
        defaults = {
            "output_dir": str(tmp_path / "trainer"),
            "use_cpu": True,
            "report_to": [],
            "disable_tqdm": True,
            "max_steps": 8,
            "per_device_train_batch_size": 4,
            "learning_rate": 0.05,
            "save_strategy": "no",
            "logging_steps": 1,
            "dataloader_pin_memory": False,
        }
        if evaluated is not None:
            defaults |= {"eval_strategy": "steps", "eval_steps": 2}
        return Trainer(
            model=tiny_gpt2() if model is None else model,
            args=TrainingArguments(**(defaults | options)),
            train_dataset=windows,
            eval_dataset=evaluated,
            callbacks=[callback] if callback else [],
        )

    return trainer_with


def gated(tmp_path, codes, **options):
    gate = SpecGate(spec="gate.yaml", output_dir=tmp_path / "gate", run=StandIn(list(codes)), **options)
    return MechintCallback(tmp_path / "output", "V0", gate=gate)


def curves(tmp_path):
    return json.loads((tmp_path / "output/training_metrics_stepV0.json").read_text())


def test_the_final_model_is_a_folder_that_loads(tmp_path, trainer_with):
    trainer = trainer_with(MechintCallback(tmp_path / "output", "V0"))
    trainer.train()
    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "output/final_model_stepV0")
    assert torch.equal(saved.lm_head.weight, trainer.model.lm_head.weight)


def test_the_curves_are_those_of_the_trainers_log(tmp_path, trainer_with, windows):
    trainer = trainer_with(MechintCallback(tmp_path / "output", "V0"), evaluated=windows)
    trainer.train()
    log = trainer.state.log_history
    saved = curves(tmp_path)
    losses = [entry["eval_loss"] for entry in log if "eval_loss" in entry]
    assert saved["metrics"]["iterations"] == [2, 4, 6, 8]
    assert saved["metrics"]["val_losses"] == losses
    assert saved["metrics"]["val_perplexities"] == pytest.approx([math.exp(loss) for loss in losses])
    assert saved["metrics"]["train_losses"] == [e["loss"] for e in log if "loss" in e and e["step"] % 2 == 0]
    assert saved["metrics"]["learning_rates"][0] == pytest.approx(0.05 * 7 / 8)
    assert all(saved["metrics"]["timestamps"])
    assert (saved["final_iteration"], saved["best_val_loss"]) == (8, min(losses))


def test_the_best_model_is_the_one_with_the_least_loss(tmp_path, trainer_with, windows):
    """At this rate every step makes the model worse, so that the best is the untrained one."""
    callback = MechintCallback(tmp_path / "output", "V0")
    trainer_with(callback, evaluated=windows, learning_rate=2.0, eval_on_start=True).train()
    best = AutoModelForCausalLM.from_pretrained(tmp_path / "output/best_model_stepV0")
    assert torch.equal(best.lm_head.weight, tiny_gpt2().lm_head.weight)
    batch = {name: torch.stack([window[name] for window in windows]) for name in ("input_ids", "labels")}
    with torch.no_grad():
        assert float(best(**batch).loss) == pytest.approx(curves(tmp_path)["best_val_loss"], rel=1e-5)
    assert curves(tmp_path)["metrics"]["train_losses"][0] is None


def test_evaluations_outside_the_training_do_not_count(tmp_path, trainer_with, windows):
    trainer = trainer_with(MechintCallback(tmp_path / "output", "V0"), evaluated=windows, eval_steps=8)
    trainer.evaluate()
    assert not (tmp_path / "output").exists()
    trainer.train()
    trainer.evaluate(windows[:2])
    assert curves(tmp_path)["metrics"]["iterations"] == [8]


def test_a_loss_of_another_name_is_missed_aloud(tmp_path, trainer_with, windows, caplog):
    trainer_with(MechintCallback(tmp_path / "output", "V0"), evaluated={"code": windows}).train()
    assert "no evaluation gave eval_loss" in caplog.text
    assert "eval_code_loss" in caplog.text


def test_a_loss_of_another_name_can_be_given(tmp_path, trainer_with, windows):
    callback = MechintCallback(tmp_path / "output", "V0", loss="eval_code_loss")
    trainer_with(callback, evaluated={"code": windows}).train()
    assert (tmp_path / "output/best_model_stepV0/config.json").exists()


def test_a_training_stops_at_the_first_checkpoint_that_fails(tmp_path, trainer_with):
    callback = gated(tmp_path, [0, 1], every=2, stop_on_failure=True)
    trainer = trainer_with(callback)
    trainer.train()
    assert trainer.state.global_step == 4
    assert callback.should_stop
    assert callback.gate.run.judged == [f"{tmp_path}/trainer/checkpoint-2", f"{tmp_path}/trainer/checkpoint-4"]
    assert [gate["outcome"] for gate in curves(tmp_path)["gates"]] == ["passed", "failed"]


def test_the_checkpoint_that_is_judged_loads(tmp_path, trainer_with):
    callback = gated(tmp_path, [1], every=2, stop_on_failure=True)
    trainer = trainer_with(callback)
    trainer.train()
    judged = AutoModelForCausalLM.from_pretrained(callback.gate.run.judged[0])
    assert torch.equal(judged.lm_head.weight, trainer.model.lm_head.weight)


@pytest.mark.parametrize("code", [1, 4])
def test_a_training_goes_on_where_it_is_not_asked_to_stop(tmp_path, trainer_with, code):
    callback = gated(tmp_path, [code, 0], every=5)
    trainer = trainer_with(callback)
    trainer.train()
    assert (trainer.state.global_step, callback.should_stop) == (8, False)


def test_the_last_step_is_judged_once_as_the_final_model(tmp_path, trainer_with):
    callback = gated(tmp_path, [0, 0], every=4)
    trainer_with(callback).train()
    assert callback.gate.run.judged == [f"{tmp_path}/trainer/checkpoint-4", f"{tmp_path}/output/final_model_stepV0"]
    assert callback.judged[-1].results == tmp_path / "gate/V0/final/results.json"


def test_the_trainers_other_checkpoints_are_not_judged(tmp_path, trainer_with):
    callback = gated(tmp_path, [0], every=None)
    trainer_with(callback, save_strategy="steps", save_steps=2).train()
    assert callback.gate.run.judged == [f"{tmp_path}/output/final_model_stepV0"]


def test_a_checkpoint_that_the_trainer_does_not_write_is_missed_aloud(tmp_path, trainer_with, windows, caplog):
    """With save_strategy best the Trainer takes the request back wherever it evaluates to no new best."""
    callback = gated(tmp_path, [0] * 4, every=2)
    best = {"save_strategy": "best", "metric_for_best_model": "eval_loss"}
    trainer_with(callback, evaluated=windows, learning_rate=2.0, **best).train()
    assert "wrote no checkpoint after step" in caplog.text


def test_a_gate_leaves_the_weights_bit_for_bit(tmp_path, trainer_with, windows):
    plain = trainer_with(None, evaluated=windows)
    plain.train()
    judged = trainer_with(gated(tmp_path, [0] * 4, every=2), evaluated=windows)
    judged.train()
    expected = plain.model.state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in judged.model.state_dict().items())


def test_a_training_that_goes_on_keeps_its_best_loss_and_its_curves(tmp_path, trainer_with, windows):
    options = {"evaluated": windows, "save_strategy": "steps", "save_steps": 4}
    trainer_with(MechintCallback(tmp_path / "output", "V0"), **options).train()
    whole = curves(tmp_path)
    shutil.rmtree(tmp_path / "output")
    resumed = trainer_with(MechintCallback(tmp_path / "output", "V0"), **options)
    resumed.train(resume_from_checkpoint=str(tmp_path / "trainer/checkpoint-4"))
    assert curves(tmp_path)["metrics"]["val_losses"] == whole["metrics"]["val_losses"]
    assert curves(tmp_path)["best_val_loss"] == whole["best_val_loss"]
    assert curves(tmp_path)["metrics"]["timestamps"][:2] == [None, None]


@pytest.mark.parametrize("wrappers", [[compiled], [DataParallel], [compiled, DataParallel, compiled]])
def test_wrapped_models_are_saved_as_what_they_wrap(tmp_path, trainer_with, wrappers):
    model = tiny_gpt2()
    wrapped = model
    for wrap in wrappers:
        wrapped = wrap(wrapped)
    callback = MechintCallback(tmp_path / "output", "V0")
    trainer = trainer_with(callback)
    callback.on_train_end(trainer.args, trainer.state, trainer.control, model=wrapped, processing_class=None)
    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "output/final_model_stepV0")
    assert torch.equal(saved.lm_head.weight, model.lm_head.weight)


def test_the_processing_class_is_saved_beside_the_weights(tmp_path, trainer_with):
    class Tokenizer:
        def save_pretrained(self, folder):
            (folder / "tokenizer.json").write_text("{}")

    trainer = trainer_with(MechintCallback(tmp_path / "output", "V0"))
    trainer.callback_handler.processing_class = Tokenizer()
    trainer.train()
    assert (tmp_path / "output/final_model_stepV0/tokenizer.json").exists()


def test_a_model_that_cannot_be_saved_is_refused_before_the_training(tmp_path, trainer_with):
    class Plain(torch.nn.Module):
        def forward(self, input_ids, labels):
            raise AssertionError("not a step is taken")

    with pytest.raises(UsageError, match="Plain has no save_pretrained"):
        trainer_with(MechintCallback(tmp_path / "output", "V0"), model=Plain()).train()


def test_a_sharded_model_is_refused_before_the_training(tmp_path, trainer_with):
    model = tiny_gpt2()
    model.lm_head.weight.ds_id = 0  # as ZeRO-3 marks its weights
    with pytest.raises(UsageError, match="is sharded"):
        trainer_with(MechintCallback(tmp_path / "output", "V0"), model=model).train()


def test_somebody_elses_folder_is_not_replaced_by_a_model(tmp_path, trainer_with):
    diary = tmp_path / "output/best_model_stepV0/diary.txt"
    diary.parent.mkdir(parents=True)
    diary.write_text("dear diary")
    with pytest.raises(UsageError, match=r"best_model_stepV0 is a folder without config\.json"):
        trainer_with(MechintCallback(tmp_path / "output", "V0")).train()
    assert diary.read_text() == "dear diary"


def test_a_spec_with_a_fault_is_refused_before_the_training(tmp_path, trainer_with):
    gate = SpecGate(spec="gate.yaml", run=lambda *given: 4)
    with pytest.raises(UsageError, match="cannot be used"):
        trainer_with(MechintCallback(tmp_path / "output", "V0", gate=gate)).train()
