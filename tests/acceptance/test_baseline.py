"""Approve a run, run again, damage the checkpoint: what the gate says."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.acceptance.conftest import SPEC

pytestmark = pytest.mark.usefixtures("known")

GATED = SPEC.replace(
    "    - sparsity >= 0.5\n",
    "    - {metric: loss, max_drop: 0.05, baseline: baselines/tiny.json}\n",
).replace("  method.target_sparsity: [0.5, 0.75]\n", "  method.target_sparsity: [0.5]\n")


@pytest.fixture
def approved(workspace, monkeypatch):
    """A workspace whose spec is gated on a baseline that was approved."""
    monkeypatch.delenv("CI", raising=False)
    workspace.write("spec.yaml", GATED)
    assert workspace.run("spec.yaml").code == 8  # nothing to compare with
    ran = workspace.mechint("baseline", "approve", "analysis", "--reason", "first")
    assert ran.code == 0, ran.err
    return workspace


def verdicts(workspace):
    items = json.loads((workspace.folder / "analysis/results.json").read_text())["items"]
    return {item["id"]: item["verdicts"][0] for item in items}


def damage(workspace, name):
    """The model becomes five times as sure of what it says, which is mostly wrong."""
    path = workspace.folder / "output" / name
    saved = torch.load(path)
    saved["model"]["transformer.ln_f.weight"] *= 5
    torch.save(saved, path)


def test_a_missing_baseline_is_undecided(workspace):
    workspace.write("spec.yaml", GATED)
    ran = workspace.run("spec.yaml")
    assert ran.code == 8
    assert "baselines/tiny.json: cannot be read: No such file" in ran.out


def test_the_same_run_passes(approved):
    ran = approved.run("spec.yaml")
    assert ran.code == 0, ran.out
    assert {verdict["outcome"] for verdict in verdicts(approved).values()} == {"passed"}
    assert {verdict["baseline"] for verdict in verdicts(approved).values()} == {"baselines/tiny.json"}


def test_a_damaged_checkpoint_fails_with_its_drop(approved):
    damage(approved, "final_model_stepV0.pt")
    ran = approved.run("spec.yaml")
    assert ran.code == 1, ran.out
    assert "drop of " in verdicts(approved)["stepV0-target_sparsity0.5"]["reason"]
    assert verdicts(approved)["stepV1-target_sparsity0.5"]["outcome"] == "passed"


def test_another_ablation_is_not_compared(approved):
    approved.write("spec.yaml", GATED.replace("ablation: mean", "ablation: zero"))
    ran = approved.run("spec.yaml")
    assert ran.code == 8
    reason = verdicts(approved)["stepV0-target_sparsity0.5"]["reason"]
    assert reason.startswith('not comparable: ablation is "zero", in the baseline "mean"')


def test_values_that_were_changed_are_refused(approved):
    path = approved.folder / "baselines/tiny.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    assert approved.run("spec.yaml").code == 8
    assert "is not the file that was approved" in verdicts(approved)["stepV0-target_sparsity0.5"]["reason"]


def test_values_whose_examples_are_grouped_otherwise_are_not_compared(approved):
    beside, stated = approved.folder / "baselines/tiny.safetensors", approved.folder / "baselines/tiny.json"
    values = load_file(beside)
    clusters = {f"{item}/examples/cluster": torch.arange(8) for item in {name.split("/")[0] for name in values}}
    save_file(values | clusters, beside)
    file = json.loads(stated.read_text())
    stated.write_text(json.dumps(file | {"values_sha256": hashlib.sha256(beside.read_bytes()).hexdigest()}))
    assert approved.run("spec.yaml").code == 8
    reason = verdicts(approved)["stepV0-target_sparsity0.5"]["reason"]
    assert reason == "baselines/tiny.json: its values are of examples that are grouped in another way"


def test_the_difference_is_shown(approved):
    damage(approved, "final_model_stepV0.pt")
    approved.run("spec.yaml")
    ran = approved.mechint("baseline", "diff", "analysis")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0].endswith(": first")
    assert any(line.startswith("  checkpoint: ") for line in lines)
    assert any(line.split()[0] == "loss" for line in lines if line.startswith("  loss "))


def test_a_run_with_errors_is_no_baseline(workspace, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    (workspace.folder / "output/final_model_stepV1.pt").write_bytes(b"")
    workspace.run("spec.yaml")
    ran = workspace.mechint("baseline", "approve", "analysis", "--reason", "hurry")
    assert ran.code == 4
    assert "cannot be a baseline: 2 items have errors, stepV1-target_sparsity0.5 among them" in ran.err


def test_continuous_integration_approves_nothing(workspace, monkeypatch):
    monkeypatch.setenv("CI", "true")
    workspace.run("spec.yaml")
    ran = workspace.mechint("baseline", "approve", "analysis", "--reason", "hurry")
    assert ran.code == 4
    assert "approved by a person" in ran.err


def test_seeds_are_judged_together(approved):
    seeds = GATED.replace("[0.5]\n", "[0.5]\n  seed: [0, 1, 2]\n").replace("steps: 12", "steps: 12\n  estimator: swap")
    approved.write("spec.yaml", seeds)
    approved.run("spec.yaml")
    assert approved.mechint("baseline", "approve", "analysis", "--reason", "three seeds").code == 0
    ran = approved.run("spec.yaml", "--models", "output/final_model_stepV0.pt")
    assert ran.code == 0, ran.out + ran.err
    found = verdicts(approved)
    assert len(found) == 3
    assert {tuple(verdict["over"]) for verdict in found.values()} == {tuple(found)}
