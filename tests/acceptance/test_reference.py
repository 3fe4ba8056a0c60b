"""The shipped specs on reference checkpoints, as ``make mechint`` runs them; trained for a moment only."""

import json
from pathlib import Path

import pytest

from mechint.training.trainer import train

SPECS = Path(__file__).parents[2] / "specs"
STEPS = 200


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with text, and with a checkpoint that has learned more than pairs of bytes."""
    folder = tmp_path_factory.mktemp("reference")
    train(["V0"], folder / "output", folder / "data/stdlib", steps=STEPS)
    return folder


@pytest.mark.slow
def test_few_heads_carry_what_the_model_has_learned(trained, workspace, monkeypatch):
    monkeypatch.chdir(trained)
    ran = workspace.run(str(SPECS / "heads_reference.yaml"))
    assert ran.code == 0, ran.out + ran.err
    (item,) = json.loads((trained / "mechint_analysis_heads/results.json").read_text())["items"]
    assert item["measures"]["faithfulness"] > item["measures"]["faithfulness_random"]
    assert 1 <= item["measures"]["units_kept"] < 16
    assert {"head_map.png", "faithfulness.png"} <= set(item["artifacts"])


@pytest.mark.slow
def test_the_prediction_is_made_along_the_layers(trained, workspace, monkeypatch):
    monkeypatch.chdir(trained)
    ran = workspace.run(str(SPECS / "layers_reference.yaml"))
    assert ran.code == 0, ran.out + ran.err
    (item,) = json.loads((trained / "mechint_analysis_layers/results.json").read_text())["items"]
    direct = next(table for table in item["tables"] if table["title"] == "Direct attribution")
    assert direct["rows"][-2][1:] == direct["rows"][-1][1:]
    assert {"direct_by_layer.png", "knock_out_by_layer.png", "lens.png"} <= set(item["artifacts"])
