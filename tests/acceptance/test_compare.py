"""Two runs in folders of their own, and one run of two checkpoints: what the program says of them."""

import json

import pytest

from tests.acceptance.conftest import SPEC
from tests.tiny_workspace import save_tiny

pytestmark = pytest.mark.usefixtures("known")


def run(workspace, name, checkpoint, *, edit=("", "")):
    """Analyse one checkpoint into a folder of its own."""
    spec = SPEC.replace("output_dir: analysis", f"output_dir: mechint_analysis_{name}").replace(*edit)
    workspace.write(f"{name}.yaml", spec)
    ran = workspace.run(f"{name}.yaml", "--models", checkpoint)
    assert ran.code == 0, ran.out + ran.err


def comparison(folder):
    return json.loads((folder / "comparison.json").read_text())


def test_two_runs_are_compared(workspace):
    run(workspace, "a", "output/final_model_stepV0.pt")
    run(workspace, "b", "output/final_model_stepV1.pt")
    ran = workspace.mechint("compare", "mechint_analysis_a", "mechint_analysis_b")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "kv_circuit on tokens, target_sparsity 0.5"
    assert lines[2].split()[:2] == ["mechint_analysis_a/stepV0", "(base)"]
    assert lines[-2:] == ["page: mechint_comparison/comparison.html", "report: mechint_comparison/comparison.md"]
    assert (workspace.folder / "mechint_comparison/comparison.html").is_file()
    assert "tests show" in ran.out
    found = comparison(workspace.folder / "mechint_comparison")
    assert [group["cell"] for group in found["groups"]] == [{"method.target_sparsity": size} for size in (0.5, 0.75)]


def test_a_run_beside_itself_shows_nothing(workspace):
    run(workspace, "a", "output/final_model_stepV0.pt")
    ran = workspace.mechint("compare", "mechint_analysis_a", "mechint_analysis_a", "-o", "out")
    assert ran.code == 0, ran.err
    assert "shows a difference beyond chance" in ran.out
    assert comparison(workspace.folder / "out")["findings"] == []


def test_models_of_other_depths_are_compared(workspace):
    for layers in (4, 6):
        save_tiny(workspace.folder / f"deep/{layers}.pt", n_layer=layers)
        run(workspace, f"deep{layers}", f"deep/{layers}.pt")
    ran = workspace.mechint(
        "compare", "mechint_analysis_deep6", "mechint_analysis_deep4", "--base", "mechint_analysis_deep4"
    )
    assert ran.code == 0, ran.err
    (group, _) = comparison(workspace.folder / "mechint_comparison")["groups"]
    assert [entry["layers"] for entry in group["entries"]] == [4, 6]
    assert [row["base_site"] for row in group["layers"] if row["kind"] == "k"] == [
        "k.0",
        "k.1",
        "k.1",
        "k.2",
        "k.2",
        "k.3",
    ]


def test_other_ablations_are_named_and_their_measures_left_out(workspace):
    run(workspace, "a", "output/final_model_stepV0.pt")
    run(workspace, "b", "output/final_model_stepV0.pt", edit=("ablation: mean", "ablation: zero"))
    ran = workspace.mechint("compare", "mechint_analysis_a", "mechint_analysis_b")
    assert ran.code == 0, ran.err
    assert "ablation is zero, not mean; not compared: everything that was measured on examples" in ran.out


def test_a_run_of_two_checkpoints_is_compared_at_its_end(workspace):
    ran = workspace.run("spec.yaml")
    assert ran.code == 0, ran.out + ran.err
    found = comparison(workspace.folder / "analysis/comparison")
    assert [entry["name"] for entry in found["groups"][0]["entries"]] == ["stepV0", "stepV1"]
    assert "](comparison/comparison.md)" in (workspace.folder / "analysis/report.md").read_text()


def test_a_checkpoint_that_is_called_comparison_has_another_folder(workspace):
    save_tiny(workspace.folder / "named/comparison.pt")
    save_tiny(workspace.folder / "named/other.pt", seed=1)
    workspace.write("spec.yaml", SPEC.replace("  method.target_sparsity: [0.5, 0.75]\n", "  seed: [0]\n"))
    ran = workspace.run("spec.yaml", "--models", "named/*.pt", "--collect-only")
    assert [line.partition("::")[2] for line in ran.out.splitlines()[:1]] == ["comparison-seed0"]
    workspace.write("spec.yaml", SPEC.replace("matrix:\n  method.target_sparsity: [0.5, 0.75]\n", ""))
    ran = workspace.run("spec.yaml", "--models", "named/*.pt", "--collect-only")
    assert [line.partition("::")[2] for line in ran.out.splitlines()[:2]] == ["_comparison", "other"]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["output"], "output: is no run of mechint: it has no results.json"),
        (["nowhere"], "nowhere: is no run of mechint: there is no such folder"),
        ([], "Missing argument"),
    ],
)
def test_what_is_no_run_is_wrong_usage(arguments, fault, workspace):
    ran = workspace.mechint("compare", *arguments)
    assert ran.code == 4
    assert fault in ran.err


def test_one_entry_alone_is_wrong_usage(workspace):
    workspace.write("spec.yaml", SPEC.replace("[0.5, 0.75]", "[0.5]"))
    workspace.run("spec.yaml", "--models", "output/final_model_stepV0.pt")
    ran = workspace.mechint("compare", "analysis")
    assert ran.code == 4
    assert "nothing in these runs can be compared" in ran.err
