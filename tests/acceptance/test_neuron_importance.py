"""Neurons of a small checkpoint, from a spec to the figures and tables of its report."""

import json

import pytest


@pytest.mark.parametrize(
    ("scores", "figures"),
    [
        ("attribution", ["neuron_importance.png"]),
        ("learned\n  steps: 12", ["neuron_importance.png", "sparsity_curves.png"]),
    ],
)
def test_a_report_shows_figures_and_tables(workspace, scores, figures):
    workspace.edit("name: kv_circuit\n  steps: 12", f"name: neuron_importance\n  scores: {scores}\n  top: 2")
    ran = workspace.run("spec.yaml")
    assert ran.code == 0, ran
    folder = workspace.folder / "analysis/stepV0-target_sparsity0.75"
    assert sorted(file.name for file in folder.glob("*.png")) == figures
    report = (folder / "circuit_analysis_report.md").read_text()
    assert "## Top neurons" in report
    assert "## Where the top neurons fire" in report
    assert "![neuron importance](neuron_importance.png)" in report


def test_the_tables_are_in_the_results_too(workspace):
    """Two neurons of each of two layers, and three examples of each."""
    workspace.edit("name: kv_circuit\n  steps: 12", "name: neuron_importance\n  scores: attribution\n  top: 2")
    workspace.run("spec.yaml")
    for item in json.loads((workspace.folder / "analysis/results.json").read_text())["items"]:
        top, firings = item["tables"]
        assert (len(top["rows"]), len(firings["rows"])) == (4, 12)
        assert item["methodology"]["sites"] == ["mlp_post.0", "mlp_post.1"]
