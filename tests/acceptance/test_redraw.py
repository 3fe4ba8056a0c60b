"""A finished run, drawn again as a user would: without its checkpoints, without its data, and byte for byte."""

import json
import shutil
import struct

import pytest

from mechint.files import sha256_of
from tests.acceptance.conftest import SPEC
from tests.older import save_older
from tests.tiny_workspace import save_tiny

pytestmark = pytest.mark.usefixtures("known")

DRAWN = (".png", ".svg", ".md", ".html", ".csv")
HEADS = """\
version: 1
name: heads
checkpoints: ./output/final_model_stepV0.pt
task: {name: tokens, path: data, examples: {train: 16, validation: 8}}
method: {name: head_pruning, scores: leave_one_out, target_sparsity: 0.5}
faithfulness:
  curve: {sizes: [0.25, 0.5, 1.0], random: 2}
  assert: [sparsity >= 0.9]
output_dir: analysis
"""
NEURONS = """\
version: 1
name: neurons
checkpoints: ./output/final_model_stepV0.pt
task: {name: tokens, path: data, examples: {train: 16, validation: 8}}
method: {name: neuron_importance, scores: learned, steps: 12, batch_size: 8}
output_dir: analysis
"""
MARKED = f"""\
{SPEC.replace("sparsity >= 0.5", "sparsity >= 0.6")}\
skip: {{reason: later, where: {{method.target_sparsity: 0.75}}}}
xfail: {{reason: issue 7, where: {{method.target_sparsity: 0.5}}}}
"""
PATCHING = """\
version: 1
name: patching
checkpoints: ./output/toys/final_model_stephand_induction.pt
task: {name: induction, ids: [1, 39], length: 8, metric: logit_diff, examples: {train: 8, validation: 8}}
method: {name: activation_patching, direction: noising, sites: [z], by: head}
faithfulness:
  ablation: counterfactual
  assert: [z.0@1 >= 0.95]
output_dir: analysis
"""


def hashes(folder):
    return {str(path.relative_to(folder)): sha256_of(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def forget(workspace):
    """Remove what was drawn, the checkpoints and the data."""
    for path in (workspace.folder / "analysis").rglob("*"):
        if path.suffix in DRAWN:
            path.unlink()
    for name in ("output", "data"):
        shutil.rmtree(workspace.folder / name, ignore_errors=True)


def chunks(png: bytes) -> set[str]:
    """The kinds of the pieces that a PNG is made of."""
    found, at = set(), 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        found.add(png[at + 4 : at + 8].decode())
        at += 12 + length
    return found


@pytest.mark.usefixtures("rendered")
@pytest.mark.parametrize(
    ("spec", "code"),
    [(None, 0), (MARKED, 0), (HEADS, 1), (NEURONS, 0), (PATCHING, 0)],
    ids=["channels", "marked", "heads", "neurons", "maps"],
)
def test_a_run_is_drawn_again_byte_for_byte(workspace, spec, code):
    if spec is not None:
        workspace.write("spec.yaml", spec)
    if spec is PATCHING:
        workspace.mechint("train", "--variants", "hand_induction", "--output-dir", "output/toys", "--data-dir", "data")
    assert workspace.run("spec.yaml").code == code
    before = hashes(workspace.folder / "analysis")
    forget(workspace)
    ran = workspace.run("--from-runs", "analysis")
    assert (ran.code, ran.err) == (code, "")
    assert hashes(workspace.folder / "analysis") == before
    assert sum(name.endswith(".png") for name in before) >= 1


@pytest.mark.usefixtures("rendered")
def test_figures_hold_nothing_but_their_pixels(workspace):
    workspace.run("spec.yaml", "--models", "output/*V0.pt")
    for path in (workspace.folder / "analysis").rglob("*.png"):
        assert chunks(path.read_bytes()) <= {"IHDR", "pHYs", "IDAT", "IEND"}


def test_a_run_with_an_error_is_drawn_again_with_its_error_and_its_exit_code(workspace):
    (workspace.folder / "output/final_model_stepV1.pt").write_text("not a checkpoint")
    assert workspace.run("spec.yaml").code == 7
    before = hashes(workspace.folder / "analysis")
    forget(workspace)
    assert workspace.run("--from-runs", "analysis").code == 7
    assert hashes(workspace.folder / "analysis") == before


@pytest.fixture
def finished(workspace):
    """A finished run of one checkpoint, whose verdicts are failures."""
    workspace.edit("sparsity >= 0.5", "sparsity >= 0.9")
    assert workspace.run("spec.yaml", "--models", "output/*V0.pt").code == 1
    return workspace


@pytest.mark.parametrize("models", ["analysis", "analysis/", "analysis/stepV0-target_sparsity0.75"])
@pytest.mark.parametrize("spec", [(), ("spec.yaml",)], ids=["no spec", "spec"])
def test_models_on_a_finished_run_draws_it_again_and_says_so(finished, spec, models):
    forget(finished)
    ran = finished.run(*spec, "--models", models)
    assert ran.code == 1
    assert "mechint draws a finished run again" in ran.out
    assert "no model is loaded" in ran.out
    assert "2 failed" in ran.out
    assert (finished.folder / "analysis/report.md").is_file()


WAITS = "another run is at work in analysis; this one waits for its end"


@pytest.mark.parametrize(
    ("main", "arguments"),
    [
        ("run", ("--from-runs", "analysis")),
        ("mechint", ("report", "analysis")),
        ("mechint", ("selftest", "spec.yaml", "--draws", "20")),
        ("mechint", ("merge", "other", "-o", "analysis")),
    ],
)
def test_whoever_writes_in_a_runs_folder_waits_for_the_run(finished, main, arguments):
    shutil.copytree(finished.folder / "analysis", finished.folder / "other")
    assert WAITS not in getattr(finished, main)(*arguments).err
    finished.hold("analysis")
    ran = getattr(finished, main)(*arguments)
    assert (ran.code in (0, 1), WAITS in ran.err) == (True, True), ran


def test_the_verdicts_are_the_runs_whatever_the_spec_says(finished):
    finished.edit("sparsity >= 0.5", "sparsity >= 0.1")
    assert finished.run("spec.yaml", "--models", "analysis").code == 1


def test_a_spec_that_is_given_must_be_valid(finished):
    finished.edit("steps: 12", "stpes: 12")
    ran = finished.run("spec.yaml", "--models", "analysis")
    assert ran.code == 4
    assert "did you mean 'steps'?" in ran.err


def test_what_would_be_drawn_can_be_listed(finished):
    ran = finished.run("--from-runs", "analysis", "--collect-only")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "2 items to draw again")
    assert ran.out.startswith("spec.yaml::stepV0-target_sparsity0.5\n")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--from-runs", "analysis", "--models", "analysis"), "has no use for --models; give one of them"),
        (
            ("--from-runs", "output"),
            "'output' holds no finished analysis: neither a run's results.json nor final_masks",
        ),
        (("--from-runs", "missing"), "'missing' holds no finished analysis"),
        (("--from-runs", "analysis", "--dry-run"), "drawing a finished one again has none"),
        (("--from-runs", "analysis", "--set", "seed=1"), "--set changes a spec, and none was given"),
        (
            ("spec.yaml", "again.yaml", "--from-runs", "analysis"),
            "is one analysis to draw again, and 2 specs were given",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(finished, arguments, why):
    finished.write("again.yaml", (finished.folder / "spec.yaml").read_text())
    ran = finished.run(*arguments)
    assert (ran.code, why in ran.err) == (4, True), ran


def test_a_damaged_report_is_told_where_it_is_damaged(finished):
    finished.write("analysis/results.json", '{"schema_version": 1,')
    ran = finished.run("--from-runs", "analysis")
    assert ran.code == 4
    assert "analysis/results.json:1:22: not JSON: ends in the middle of a value" in ran.err


def test_a_spec_cannot_analyse_a_finished_analysis(finished):
    finished.edit("./output/final_model_step*.pt", "./analysis/stepV0-target_sparsity0.5")
    ran = finished.run("spec.yaml")
    assert ran.code == 4
    assert "holds a finished analysis (final_masks.pt), not checkpoints" in ran.err
    assert "--from-runs ./analysis/stepV0-target_sparsity0.5 draws it again" in ran.err


def test_an_analysis_of_the_older_tool_is_drawn_as_far_as_it_goes(workspace):
    save_older(workspace.folder / "mechint_analysis_kv")
    ran = workspace.run("spec.yaml", "--models", "mechint_analysis_kv")
    assert (ran.code, ran.err) == (0, "")
    assert "mechint_analysis_kv: an analysis of the older tool, drawn again; no model was loaded" in ran.out
    assert "kept 78 of 384 channels in 12 layers" in ran.out
    assert (workspace.folder / "mechint_analysis_kv/redrawn/circuit_analysis_report.md").is_file()


def test_an_older_file_that_could_run_code_is_refused(workspace):
    folder = save_older(workspace.folder / "mechint_analysis_kv")
    (folder / "final_masks.pt").write_bytes(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.")
    ran = workspace.run("--models", "mechint_analysis_kv")
    assert ran.code == 4
    assert "final_masks.pt: is a bare pickle" in ran.err


@pytest.mark.parametrize(
    ("models", "labels"),
    [
        ("trained", ["stepV2", "stepV10"]),
        ("others", ["a2", "a10", "stepV1"]),
        ("trained/best_model_stepV2.pt", ["stepV2"]),
        ("trained/*_model_step*.pt", ["best_model_stepV2", "final_model_stepV2", "final_model_stepV10"]),
    ],
    ids=["final checkpoints of a folder", "every checkpoint of a folder", "file", "glob"],
)
def test_each_other_form_of_models_names_checkpoints_in_natural_order(workspace, models, labels):
    save_tiny(workspace.folder / "first.pt")
    for name in ("final_model_stepV10", "final_model_stepV2", "best_model_stepV2"):
        place = workspace.folder / f"trained/{name}.pt"
        place.parent.mkdir(exist_ok=True)
        shutil.copy(workspace.folder / "first.pt", place)
    for name in ("a10", "a2", "best_model_stepV1"):
        place = workspace.folder / f"others/{name}.pt"
        place.parent.mkdir(exist_ok=True)
        shutil.copy(workspace.folder / "first.pt", place)
    ran = workspace.run("spec.yaml", "--models", models, "--collect-only")
    found = [line.split("::")[1].split("-target")[0] for line in ran.out.splitlines() if "::" in line]
    assert (ran.code, list(dict.fromkeys(found))) == (0, labels)


def test_the_results_say_what_was_run_not_what_was_drawn(finished):
    before = json.loads((finished.folder / "analysis/results.json").read_text())
    finished.run("--from-runs", "analysis")
    assert json.loads((finished.folder / "analysis/results.json").read_text()) == before
