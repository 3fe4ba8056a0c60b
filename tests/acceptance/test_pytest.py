"""``pytest specs/``, in processes of its own, against what ``mechint-run`` says of the same specs."""

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.acceptance.conftest import SPEC

ROOT = Path(__file__).parents[2]
TINY = SPEC.replace("step*", "stepV1").replace("name: tiny", "name: tiny\ntags: [kv-x]").replace(">= 0.5", ">= 0.7")
"""One checkpoint; its item of a sparsity of 0.5 fails, that of 0.75 passes."""
AT_HALF = "{reason: issue 7, where: {method.target_sparsity: 0.5}}"
VARIANTS = {
    "fails": ("", ""),
    "xfails": ("output_dir", f"xfail: {AT_HALF}\noutput_dir"),
    "xpasses": ("output_dir", "xfail: {reason: issue 7}\noutput_dir"),
    "skips": ("output_dir", f"skip: {AT_HALF}\noutput_dir"),
    "warns": ("- sparsity >= 0.7", "- {metric: sparsity, at_least: 0.7, severity: warn}"),
    "undecided": ("- sparsity >= 0.7", "- margin_over_random >= -100"),
    "asserts_nothing": ("  assert:\n    - sparsity >= 0.7\n", ""),
    "breaks": ("  path: data", "  path: nowhere"),
}
COUNTS = {"passed": 7, "failed": 4, "xfailed": 2, "skipped": 1, "warnings": 1, "errors": 2}
PASSES, FAILS = (f"spec.yaml::stepV1-target_sparsity{sparsity}::sparsity >= 0.7" for sparsity in (0.75, 0.5))
INSTALLED = any(point.value == "mechint.pytest_plugin" for point in entry_points(group="pytest11"))


@pytest.fixture
def tiny(workspace, monkeypatch, known):
    """The workspace with the spec of this file."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]))
    workspace.write("spec.yaml", TINY)
    return workspace


@pytest.fixture
def run_pytest(tmp_path):
    def run(*arguments):
        # pytester would forget, at its end, every module that was first imported meanwhile, torch among them.
        plugins = ["-p", "tests.cheap", "-p", "no:hypothesispytest"]
        plugins += [] if INSTALLED else ["-p", "mechint.pytest_plugin"]
        command = [sys.executable, "-m", "pytest", *plugins, "--rootdir=.", "--strict-markers", *arguments]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return pytest.RunResult(ran.returncode, ran.stdout.splitlines(), ran.stderr.splitlines(), 0.0)

    return run


def results(tiny):
    return json.loads((tiny.folder / "analysis/results.json").read_text())["items"]


def failing_tests(junit):
    """The specs and items of which a test failed or could not be set up."""
    cases = ElementTree.parse(junit).getroot().iter("testcase")
    return {
        case.get("classname") for case in cases if case.find("failure") is not None or case.find("error") is not None
    }


def failing_items(folder):
    """The same of runs of ``mechint-run``, as JUnit XML calls them."""
    items = [item for path in folder.glob("out/*/results.json") for item in json.loads(path.read_text())["items"]]
    bad = [item["nodeid"] for item in items if item["outcome"] in ("failed", "xpassed", "undecided", "error")]
    return {name.replace("/", ".").replace("::", ".") for name in bad}


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_pytest_and_mechint_run_agree(tiny, run_pytest, workers):
    (tiny.folder / "specs").mkdir()
    for name, (old, new) in VARIANTS.items():
        assert old in TINY
        text = TINY.replace(old, new, 1) if old else TINY
        tiny.write(f"specs/{name}.yaml", text.replace("output_dir: analysis", f"output_dir: out/{name}"))
    ran = run_pytest("specs", "-W", "error", "--junitxml=j.xml", *workers)
    ran.assert_outcomes(**COUNTS)
    by_mechint = tiny.run("specs")
    assert failing_tests(tiny.folder / "j.xml") == failing_items(tiny.folder) != set()
    assert (ran.ret, by_mechint.code) == (1, 1), by_mechint.err


def test_a_failure_is_told_in_mechints_words_and_runs_alone_with_lf(tiny, run_pytest):
    out = run_pytest("spec.yaml").stdout.str()
    line = TINY[: TINY.index("- sparsity")].count("\n") + 1
    assert f"\nspec.yaml:{line}: failed: sparsity >= 0.7: 0.5000 is not >= 0.7\n    loss: full" in out
    assert "Traceback" not in out
    assert "nodes.py" not in out
    run_pytest("spec.yaml", "--lf", "-v").stdout.fnmatch_lines([f"{FAILS} FAILED*", "*1 failed*"])


def test_workers_of_xdist_run_a_spec_once_between_them(tiny, run_pytest, tmp_path, monkeypatch):
    monkeypatch.setenv("MECHINT_CACHE_DIR", str(tmp_path / "cold"))
    run_pytest("-n", "2", "spec.yaml").assert_outcomes(passed=1, failed=1)
    assert [item["cached"] for item in results(tiny)] == [False, False]


def test_only_items_of_selected_assertions_are_measured(tiny, run_pytest):
    run_pytest("spec.yaml", "-k", "0.75 and sparsity", "-m", "kv_x").assert_outcomes(passed=1, deselected=1)
    assert [item["id"] for item in results(tiny)] == ["stepV1-target_sparsity0.75"]
    assert run_pytest(PASSES).ret == 0


def test_a_run_stops_with_pytest(tiny, run_pytest):
    run_pytest("spec.yaml", "-x").assert_outcomes(failed=1)
    assert [item["id"] for item in results(tiny)] == ["stepV1-target_sparsity0.5"]


def test_an_item_beyond_a_failure_that_was_not_selected_is_measured(tiny, run_pytest):
    tiny.write("spec.yaml", TINY.replace("assert:", "assert:\n    - sparsity >= 0.4"))
    run_pytest("spec.yaml", "-x", "-k", "0.4").assert_outcomes(passed=2, deselected=2)


def test_a_faulty_spec_is_an_error_of_collection(tiny, run_pytest):
    tiny.write("spec.yaml", TINY.replace("steps:", "stps:"))
    ran = run_pytest(".")
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(["spec.yaml:11:3: unknown key 'stps'*did you mean 'steps'?*"])


def test_too_few_checkpoints_are_an_error_of_collection(tiny, run_pytest):
    tiny.write("spec.yaml", TINY.replace("./output/final_model_stepV1.pt", "{path: output/*V1.pt, expect: {min: 2}}"))
    ran = run_pytest(".")
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(
        ["spec.yaml:4:21: expect.min asks for 2 checkpoints, * stands for 1: 'output/*V1.pt'*E304*"]
    )


def test_a_report_that_cannot_be_written_fails_every_test(tiny, run_pytest):
    (tiny.folder / "analysis/report.md").mkdir(parents=True)
    ran = run_pytest("spec.yaml")
    ran.assert_outcomes(errors=2)
    ran.stdout.fnmatch_lines(["observer markdown broke*", "analysis/report.md: cannot be written: is a directory"])
    assert "Traceback" not in ran.stdout.str()


def test_options_override_and_leave_specs_alone(tiny, run_pytest):
    run_pytest("spec.yaml", "--no-mechint").assert_outcomes()
    tiny.write("ci.yaml", "name: CI\non: push\n")
    options = ("--mechint-set", "matrix={}", "--mechint-models", "output/final_model_stepV0.pt", "--collect-only", "-q")
    run_pytest(".", *options).stdout.fnmatch_lines(["spec.yaml::stepV0::sparsity >= 0.7", "", "1 test collected*"])


def test_specs_that_share_a_folder_are_refused(tiny, run_pytest):
    tiny.write("two.yaml", TINY)
    ran = run_pytest(".")
    ran.assert_outcomes(errors=4)
    ran.stdout.fnmatch_lines(["spec.yaml and two.yaml both write to analysis*"])
