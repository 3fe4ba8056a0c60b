"""Nothing is measured twice: what is taken as it is, what is judged anew, what is measured again."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mechint.cli.measuring import measuring
from tests.acceptance.conftest import SPEC
from tests.acceptance.test_run import results
from tests.subject.families import FAMILIES, save

ONE = ("--models", "output/*V0.pt", "--set", "matrix={}")


@pytest.fixture
def measured(workspace):
    """The ids that are measured, in order; what is known is not among them."""
    from mechint.engine import run

    measure, ids = run.measure_item, []

    def noted(job, *rest):
        ids.append((job.item.id, "drawn" if job.drawn else "measured"))
        return measure(job, *rest)

    workspace.monkeypatch.setattr(run, "measure_item", noted)
    return ids


def run_again(workspace, measured, *arguments):
    """What a second run measures, and its report."""
    measured.clear()
    ran = workspace.run("spec.yaml", *arguments)
    return ran, list(measured)


def without_times(report):
    return {
        **{key: value for key, value in report.items() if key not in ("seconds", "started", "items")},
        "items": [{k: v for k, v in item.items() if k not in ("seconds", "cached")} for item in report["items"]],
    }


def test_the_same_run_measures_nothing_and_reports_the_same(workspace, measured):
    workspace.run("spec.yaml")
    before = results(workspace)
    ran, again = run_again(workspace, measured)
    assert (ran.code, again) == (0, [])
    assert "cached" in ran.out
    assert without_times(results(workspace)) == without_times(before)
    assert [item["cached"] for item in results(workspace)["items"]] == [True] * 4


def test_another_threshold_is_judged_and_nothing_measured(workspace, measured):
    workspace.run("spec.yaml", *ONE)
    workspace.edit("sparsity >= 0.5", "sparsity >= 0.9")
    ran, again = run_again(workspace, measured, *ONE)
    assert (ran.code, again) == (1, [])
    assert "failed: sparsity >= 0.9" in ran.out


def test_verdicts_with_an_interval_are_the_same_from_the_cache(workspace, measured):
    workspace.edit("sparsity >= 0.5", "{metric: loss, at_most: 2.4, confidence: 0.9}")
    workspace.run("spec.yaml", *ONE)
    before = results(workspace)["items"][0]["verdicts"]
    assert before[0]["interval"] is not None
    assert run_again(workspace, measured, *ONE)[1] == []
    assert results(workspace)["items"][0]["verdicts"] == before


@pytest.mark.parametrize("how", [("--set", "method.steps=13"), ("--set", "seed=1"), ("--force",)])
def test_another_measurement_is_measured(workspace, measured, how):
    workspace.run("spec.yaml", *ONE)
    assert run_again(workspace, measured, *ONE, *how)[1] == [("stepV0", "measured")]


def test_another_folder_gets_the_files_from_the_cache(workspace, measured):
    workspace.run("spec.yaml", *ONE)
    assert run_again(workspace, measured, *ONE, "--set", "output_dir=elsewhere")[1] == []
    before, after = (set(os.listdir(workspace.folder / name / "stepV0")) for name in ("analysis", "elsewhere"))
    assert before == after


def test_under_another_name_only_the_figures_are_drawn_again(workspace, measured):
    workspace.run("spec.yaml", *ONE)
    known = results(workspace)["items"][0]
    os.rename(workspace.folder / "output/final_model_stepV0.pt", workspace.folder / "output/other.pt")
    _, again = run_again(workspace, measured, "--models", "output/other.pt", "--set", "matrix={}")
    found = results(workspace)["items"][0]
    assert again == [("other", "drawn")]
    assert (found["id"], found["cached"], found["checkpoint"]["path"]) == ("other", True, "output/other.pt")
    assert (found["measures"], found["artifacts"]) == (known["measures"], known["artifacts"])


@pytest.mark.parametrize("name", ["final_masks.pt", "measured.safetensors", "per_example.safetensors"])
def test_what_is_damaged_everywhere_is_measured_again_and_said(workspace, measured, name):
    workspace.run("spec.yaml", *ONE)
    (entry,) = Path(os.environ["MECHINT_CACHE_DIR"]).glob("items/??/*")
    for folder in (entry, workspace.folder / "analysis/stepV0"):
        (folder / name).write_bytes((folder / name).read_bytes()[:-1] + b"?")
    assert run_again(workspace, measured, *ONE)[1] == [("stepV0", "measured")]
    assert results(workspace)["items"][0]["summary"][-1].endswith(f"{name} is damaged, so it was measured again")
    assert run_again(workspace, measured, *ONE)[1] == []


def test_a_cache_that_is_deleted_during_a_run_is_made_anew(workspace, monkeypatch):
    from mechint.engine import run

    def delete(job, *rest):
        shutil.rmtree(os.environ["MECHINT_CACHE_DIR"], ignore_errors=True)
        return measure(job, *rest)

    measure = run.measure_item
    monkeypatch.setattr(run, "measure_item", delete)
    ran = workspace.run("spec.yaml")
    assert (ran.code, ran.err) == (0, "")
    assert [item["outcome"] for item in results(workspace)["items"]] == ["passed"] * 4
    assert len(list(Path(os.environ["MECHINT_CACHE_DIR"]).glob("items/??/*/DONE"))) == 1


def test_what_is_damaged_in_the_folder_comes_from_the_cache(workspace, measured):
    workspace.run("spec.yaml", *ONE)
    masks = workspace.folder / "analysis/stepV0/final_masks.pt"
    known = masks.read_bytes()
    masks.write_bytes(known[:100])
    assert run_again(workspace, measured, *ONE)[1] == []
    assert masks.read_bytes() == known


def test_a_measure_that_was_not_taken_is_measured(workspace, measured):
    workspace.run("spec.yaml", *ONE)
    workspace.edit("  assert:\n    - sparsity >= 0.5", "  curve: {}\n  assert:\n    - cmd >= 0")
    assert run_again(workspace, measured, *ONE)[1] == [("stepV0", "measured")]


def test_an_item_that_failed_is_tried_again(workspace, measured):
    good = workspace.folder / "output/final_model_stepV0.pt"
    known = good.read_bytes()
    good.write_bytes(known[:1000])
    assert workspace.run("spec.yaml", *ONE).code == 7
    good.write_bytes(known)
    ran, again = run_again(workspace, measured, *ONE)
    assert (ran.code, again) == (0, [("stepV0", "measured")])


def test_the_cache_can_lie_elsewhere_and_a_broken_one_costs_nothing_else(workspace, measured):
    workspace.run("spec.yaml", *ONE, "--cache-dir", "kept")
    assert len(list(workspace.folder.glob("kept/items/??/*/DONE"))) == 1
    workspace.write("file", "in the way")
    ran, _ = run_again(workspace, measured, *ONE, "--force", "--cache-dir", "file")
    assert ran.code == 0
    assert "file: nothing can be kept there" in ran.err


def test_the_cache_is_listed_and_collected(workspace):
    workspace.run("spec.yaml", *ONE)
    assert "spec.yaml::stepV0" in workspace.mechint("cache", "ls").out
    assert "removed 0 items" in workspace.mechint("cache", "gc").out
    assert "removed 1 item," in workspace.mechint("cache", "gc", "--days", "0").out
    assert "0 items, 0.0 MiB" in workspace.mechint("cache", "ls").out


def test_a_second_run_in_the_folder_waits_for_the_first_and_measures_nothing(workspace, measured):
    workspace.run("spec.yaml", *ONE)
    workspace.hold("analysis")
    ran, again = run_again(workspace, measured, *ONE)
    assert (ran.code, again) == (0, [])
    assert "another run is at work in analysis; this one waits for its end" in ran.err


def test_limits_without_effect_are_said(workspace):
    workspace.edit("output_dir: analysis", "limits: {time: 1s}\noutput_dir: analysis")
    assert "limits have no effect with --in-process" in workspace.run("spec.yaml", *ONE).err


def test_what_a_killed_run_left_is_swept(workspace):
    workspace.run("spec.yaml", *ONE)
    (workspace.folder / "analysis/.results.json.abcd1234.partial").touch()
    workspace.run("spec.yaml", *ONE)
    assert {path.name for path in (workspace.folder / "analysis").glob(".*")} == {".lock"}


@pytest.mark.parametrize("name", [".metrics.jsonl.abcd1234.partial", "metrics.jsonl", "output.log"])
def test_a_folder_that_a_killed_run_began_is_taken_up(workspace, name):
    begun = workspace.folder / "analysis/stepV0"
    (begun / "parts").mkdir(parents=True)
    (begun / name).touch()
    assert workspace.run("spec.yaml", *ONE).code == 0
    assert not (begun / "parts").exists()


MEASURES = """\
  curve: {}
  assert:
    - sparsity >= 0.5
    - {metric: loss, at_most: 9, confidence: 0.9}
    - {metric: loss, max_drop: 5, baseline: baselines/tiny.json}"""
EFFECTS = """\
  assert:
    - {effect: knock_out.0@block, at_least: -9, confidence: 0.9}
    - {peak: layer, of: knock_out@block, within: [0, 9]}"""
ASSERTING = "  assert:\n    - sparsity >= 0.5"
KV_CIRCUIT = "name: kv_circuit\n  steps: 12\n  batch_size: 8"
WHOLE = """
import atexit, sys
from mechint import cli
atexit.register(lambda: print([name for name in ("torch", "transformers") if name in sys.modules]))
sys.argv = ["mechint-run", *sys.argv[1:]]
cli.main_run()
"""


@pytest.mark.parametrize(
    ("method", "asserted"), [(KV_CIRCUIT, MEASURES), ("name: layer_relevance", EFFECTS)], ids=["measures", "effects"]
)
def test_a_run_in_which_nothing_is_measured_imports_no_torch(workspace, monkeypatch, method, asserted):
    """With every kind of assertion, every report and a comparison; the second run is a process of its own."""
    monkeypatch.delenv("CI", raising=False)
    spec = SPEC.replace(ASSERTING, asserted).replace(KV_CIRCUIT, method)
    workspace.write("spec.yaml", spec.replace("  method.target_sparsity: [0.5, 0.75]", "  seed: [0]"))
    assert workspace.run("spec.yaml").code in (0, 8)
    workspace.mechint("baseline", "approve", "analysis", "--reason", "first")
    options = ("--in-process", "--junitxml", "junit.xml", "--sarif", "mechint.sarif")
    command = [sys.executable, "-c", WHOLE, "spec.yaml", *options]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "[]"), ran
    assert all(item["cached"] for item in results(workspace)["items"])
    assert (workspace.folder / "analysis/comparison/comparison.html").is_file()


def test_the_test_itself_sees_torch(workspace):
    """A run that measures here imports it."""
    command = [sys.executable, "-c", WHOLE, "spec.yaml", "--in-process", *ONE]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "torch" in ran.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_request_to_end_is_an_interrupt_while_a_run_is_at_work(name):
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)  # whatever started the tests may ignore it
    try:
        with pytest.raises(KeyboardInterrupt), measuring(1, None, in_process=True, force=False):
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_an_ignored_hangup_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with measuring(1, None, in_process=True, force=False):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("name", ["output/final_model_stepV0.pt", "output/tokenizer.json"])
def test_what_took_a_checkpoints_place_is_not_searched(workspace, measured, monkeypatch, name):
    """It is put back before the second run, which would go on from what the first left under the checkpoint's key."""
    from mechint.engine import run

    path, measure = workspace.folder / name, run.measure_item
    path.parent.joinpath("tokenizer.json").write_text("{}")
    with monkeypatch.context() as context:
        context.setenv("MECHINT_CACHE_DIR", str(workspace.folder / "apart"))
        workspace.run("spec.yaml", *ONE, "--set", "output_dir=clean")
    first, other = path.read_bytes(), (workspace.folder / "output/final_model_stepV1.pt").read_bytes()
    with monkeypatch.context() as context:
        context.setattr(run, "measure_item", lambda *given: path.write_bytes(other) and measure(*given))
        ran = workspace.run("spec.yaml", *ONE)
    error = results(workspace)["items"][0]["error"]
    assert (ran.code, "final_model_stepV0.pt: another took its place" in error["message"]) == (7, True), ran
    path.write_bytes(first)
    ran, again = run_again(workspace, measured, *ONE)
    assert (ran.code, again) == (0, [("stepV0", "measured")])
    for of in ("metrics.jsonl", "final_masks.pt"):
        assert (workspace.folder / f"analysis/stepV0/{of}").read_bytes() == (
            workspace.folder / f"clean/stepV0/{of}"
        ).read_bytes()


def test_a_checkpoint_that_is_written_again_or_gone_is_no_other(workspace, monkeypatch):
    from mechint.engine import run

    path, measure = workspace.folder / "output/final_model_stepV0.pt", run.measure_item

    def measured(*given):
        path.write_bytes(path.read_bytes())
        found = measure(*given)
        path.unlink()
        return found

    monkeypatch.setattr(run, "measure_item", measured)
    ran = workspace.run("spec.yaml", *ONE)
    assert (ran.code, path.exists()) == (0, False), ran


def test_results_in_a_models_folder_are_no_part_of_it(workspace, measured):
    save(FAMILIES["gpt2"], workspace.folder / "output/hf")
    inside = ("--models=output/hf", "--set=matrix={}", "--set=task.window=4", "--set=output_dir=output/hf/analysis")
    ran, again = run_again(workspace, measured, *inside)
    assert (ran.code, again) == (0, [("hf", "measured")]), ran
    assert run_again(workspace, measured, *inside)[1] == []
