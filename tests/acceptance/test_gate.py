"""A training whose checkpoints are judged by the program itself, in a process of its own."""

import json

import torch

from mechint.training.checkpoints import CheckpointCallback
from mechint.training.gate import SpecGate
from tests.tiny import random_model


def test_a_training_stops_when_a_circuit_fails_its_spec(workspace):
    spec = workspace.edit("sparsity >= 0.5", "sparsity >= 0.7")
    gate = SpecGate(spec=spec, every=2, stop_on_failure=True)
    saver = CheckpointCallback("output", "V7", config={"n_head": 2}, gate=gate)
    model = random_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for iteration in range(1, 7):
        tokens = torch.randint(11, (4, 6))
        torch.nn.functional.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()
        saver.stepped(model, iteration=iteration)
        if saver.should_stop:
            break
    saver.finished(model, iteration=iteration)
    (found,) = saver.judged
    assert (iteration, found.outcome, found.exit_code) == (2, "failed", 1)
    items = json.loads(found.results.read_text())["items"]
    assert [(item["id"], item["outcome"]) for item in items] == [
        ("checkpoint_iter_2_stepV7-target_sparsity0.5", "failed"),
        ("checkpoint_iter_2_stepV7-target_sparsity0.75", "passed"),
    ]
    assert items[0]["verdicts"][0]["reason"] == "0.5000 is not >= 0.7"
