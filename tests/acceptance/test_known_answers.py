"""Specs of models whose circuits are known: they pass, and fail where a head that is needed is gone."""

import argparse
import json
import shutil
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
SPECS = ROOT / "specs/known_answers"
SPEC = "hand_induction.yaml"
CHECKPOINT = "output/toys/final_model_stephand_induction.pt"
D_HEAD = 41
PREVIOUS_TOKEN = ("transformer.h.0.attn.c_proj.weight", 1)


@pytest.fixture
def toy(workspace):
    """A workspace with the checkpoint and its spec."""
    workspace.write(SPEC, (SPECS / SPEC).read_text())
    ran = workspace.mechint("train", "--variants", "hand_induction", "--output-dir", "output/toys")
    assert ran.code == 0, ran.err
    return workspace


def item(toy):
    folder = toy.folder / "mechint_known_answers/hand_induction"
    (found,) = json.loads((folder / "results.json").read_text())["items"]
    return found


def test_the_circuit_is_found_and_nothing_else(toy):
    assert toy.run(SPEC).code == 0
    assert item(toy)["measures"]["units_kept"] == 2


def test_without_the_previous_token_head_the_model_guesses_and_the_verdict_is_failed(toy):
    """A guess among 39 tokens is right in 2.6 % of the cases; among two, the answer and its distractor, in half."""
    with torch.serialization.safe_globals([argparse.Namespace]):
        saved = torch.load(toy.folder / CHECKPOINT)
    name, head = PREVIOUS_TOKEN
    saved["model"][name][:, head * D_HEAD : (head + 1) * D_HEAD] = 0
    torch.save(saved, toy.folder / CHECKPOINT)
    assert toy.run(SPEC).code == 7  # there is no behaviour to find a circuit for
    ran = toy.run(SPEC, "--set", "task.min_accuracy=0")
    assert ran.code == 1, ran.out
    assert item(toy)["values"]["full"]["accuracy"] == pytest.approx(0.5, abs=0.15)
    assert "failed: accuracy >= 0.99" in ran.out


def test_a_circuit_of_one_head_fails(toy):
    ran = toy.run(SPEC, "--set", "method.search=budget", "--set", "method.target_sparsity=0.875")
    assert ran.code == 1, ran.out
    assert item(toy)["measures"]["units_kept"] == 1
    assert item(toy)["measures"]["faithfulness"] < 0.2


@pytest.mark.parametrize(("program", "parts"), [("reverse", 5), ("sort", 4)])
def test_the_parts_of_a_compiled_program_are_found_and_no_others(workspace, program, parts):
    checkpoint = Path("tests/known_answers/tracr") / program
    shutil.copytree(ROOT / checkpoint, workspace.folder / checkpoint)
    shutil.copytree(SPECS, workspace.folder / "specs/known_answers")
    ran = workspace.run(f"specs/known_answers/tracr_{program}.yaml")
    assert ran.code == 0, ran.out
    results = workspace.folder / f"mechint_known_answers/tracr_{program}/results.json"
    (found,) = json.loads(results.read_text())["items"]
    assert found["measures"]["units_kept"] == parts
    assert found["measures"]["f1"] == found["measures"]["auroc"] == 1
