"""Saving for trainers of one's own."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mechint.checkpoint.checkpoint import read_checkpoint
from mechint.subject.load import load_subject
from mechint.training.checkpoints import CheckpointCallback, save_checkpoint
from mechint.training.gate import SpecGate
from tests.tiny import random_model
from tests.training.stand_in import StandIn


def evaluated(saver, model, iteration, val_loss):
    saver.evaluated(model, iteration=iteration, train_loss=2.0, val_loss=val_loss, learning_rate=0.1)


def test_a_saved_checkpoint_loads_with_its_facts(tmp_path):
    model = random_model()
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.tensor([[1, 2]])).sum().backward()
    optimizer.step()
    path = tmp_path / "model.pt"
    save_checkpoint(path, model, config={"n_head": 2, "out": "x"}, iteration=9, best_val_loss=1.5, optimizer=optimizer)
    checkpoint = read_checkpoint(str(path))
    assert (checkpoint.step, checkpoint.best_val_loss, checkpoint.facts["out"]) == (9, 1.5, "x")
    assert load_subject(str(path)).model.lm_head.weight.equal(model.lm_head.weight)


def test_a_compiled_models_checkpoint_loads(tmp_path):
    wrapped = torch.nn.Module()
    wrapped.add_module("_orig_mod", random_model())
    save_checkpoint(tmp_path / "model.pt", wrapped, config={"n_head": 2}, iteration=1, best_val_loss=1.0)
    assert load_subject(str(tmp_path / "model.pt")).shape.n_layer == 2


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "has no n_head"),
        ({"n_head": 2, "out": Path("x")}, r"config\.out is"),
        ({"n_head": 2, "lr": np.float64(1)}, "a float64"),
    ],
)
def test_a_config_that_could_not_be_loaded_is_refused_when_saving(tmp_path, config, says):
    with pytest.raises(ValueError, match=says):
        save_checkpoint(tmp_path / "model.pt", random_model(), config=config, iteration=1, best_val_loss=1.0)
    assert not list(tmp_path.iterdir())


def test_only_a_better_model_replaces_the_best(tmp_path):
    saver = CheckpointCallback(tmp_path, "V3", config={"n_head": 2})
    for iteration, loss in ((1, 3.0), (2, 1.0), (3, 2.0)):
        evaluated(saver, random_model(), iteration, loss)
    assert load_subject(str(tmp_path / "best_model_stepV3.pt")).step == 2


def test_a_loss_that_is_not_a_number_is_never_the_best(tmp_path):
    saver = CheckpointCallback(tmp_path, "V3", config={"n_head": 2})
    evaluated(saver, random_model(), 1, math.nan)
    assert not list(tmp_path.iterdir())


def test_the_end_writes_the_final_model_and_the_curves(tmp_path):
    saver = CheckpointCallback(str(tmp_path), "V3", config={"n_head": 2})
    evaluated(saver, random_model(), 5, 1.0)
    saver.finished(random_model(), iteration=5, facts={"seconds": 3})
    saved = json.loads((tmp_path / "training_metrics_stepV3.json").read_text())
    assert (saved["final_iteration"], saved["best_val_loss"], saved["seconds"]) == (5, 1.0, 3)
    assert saved["metrics"]["val_perplexities"] == [math.e]
    assert load_subject(str(tmp_path / "final_model_stepV3.pt")).step == 5


def test_only_the_main_process_of_a_distributed_training_writes(tmp_path, monkeypatch):
    monkeypatch.setattr("mechint.training.checkpoints.is_main_process", lambda: False)
    gate = SpecGate(spec="a.yaml", every=5, output_dir=tmp_path / "gate", run=StandIn([]))
    saver = CheckpointCallback(tmp_path / "output", "V3", config={"n_head": 2}, gate=gate)
    evaluated(saver, random_model(), 5, 1.0)
    saver.stepped(random_model(), iteration=5)
    saver.finished(random_model(), iteration=7)
    assert (list(tmp_path.iterdir()), saver.judged, saver.best_val_loss) == ([], [], 1.0)
