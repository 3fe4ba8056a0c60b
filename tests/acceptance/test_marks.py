"""What a spec skips, expects to fail, includes, and runs with tiny budgets."""

import json

import pytest

from tests.acceptance.conftest import SPEC

pytestmark = pytest.mark.usefixtures("known")


def results(workspace, folder="analysis"):
    return json.loads((workspace.folder / folder / "results.json").read_text())


def outcomes(workspace, folder="analysis"):
    return [item["outcome"] for item in results(workspace, folder)["items"]]


def marked(workspace, marks, bound=0.7):
    """The spec with marks; at 0.7, items of a sparsity of 0.5 fail and the others pass."""
    return workspace.write("spec.yaml", SPEC.replace(">= 0.5", f">= {bound}") + marks)


AT_HALF = "{reason: issue 7, where: {method.target_sparsity: 0.5}}"


@pytest.mark.parametrize(
    ("marks", "bound", "code", "expected"),
    [
        (f"xfail: {AT_HALF}\n", 0.7, 0, ["xfailed", "passed"] * 2),
        (f"xfail: [{AT_HALF}]\n", 0.4, 1, ["xpassed", "passed"] * 2),
        ("xfail: {reason: issue 7}\n", 0.9, 0, ["xfailed"] * 4),
        (f"skip: {AT_HALF}\n", 0.7, 0, ["skipped", "passed"] * 2),
        ("skip: {reason: later}\n", 0.9, 0, ["skipped"] * 4),
    ],
)
def test_marks_decide_outcomes_and_the_exit_code(workspace, marks, bound, code, expected):
    ran = workspace.run(marked(workspace, marks, bound))
    assert (ran.code, outcomes(workspace)) == (code, expected), ran


def test_marks_are_told_in_every_report(workspace):
    ran = workspace.run(marked(workspace, f"skip: {AT_HALF}\n"), "--junitxml", "junit.xml")
    assert "stepV0-target_sparsity0.5  SKIPPED  issue 7" in ran.out
    assert "2 passed, 2 skipped in" in ran.out
    assert 'type="mechint.skip" message="issue 7"' in (workspace.folder / "junit.xml").read_text()
    for page in ("report.md", "report.html", "comparison/comparison.md"):
        text = (workspace.folder / "analysis" / page).read_text()
        assert ("is skipped" if "comparison" in page else "not measured: issue 7") in text


def test_a_skipped_item_leaves_earlier_results_alone(workspace):
    workspace.run("spec.yaml")
    workspace.run(marked(workspace, f"skip: {AT_HALF}\n"))
    assert (workspace.folder / "analysis/stepV0-target_sparsity0.5/final_masks.pt").exists()


def test_an_item_that_cannot_be_measured_is_no_expected_failure(workspace):
    (workspace.folder / "output/final_model_stepV0.pt").write_bytes(b"x")
    ran = workspace.run(marked(workspace, "xfail: {reason: x}\n", 0.9))
    assert (ran.code, outcomes(workspace)) == (7, ["error", "error", "xfailed", "xfailed"])


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        ("xfail: true\n", "spec.yaml:19:8: 'xfail' must be a mapping or a list, found true [E103]"),
        ("xfail: {where: {}}\n", "spec.yaml:19:1: missing key 'reason' in xfail [E102]"),
        ("skip: {reson: x}\n", "unknown key 'reson' in skip; did you mean 'reason'? [E101]"),
        ("skip: {reason: ''}\n", "'reason' is empty [E105]"),
        ("skip: {reason: x, where: {method.stps: 1}}\n", "the matrix does not set 'method.stps' [E114]"),
        ("skip: [{reason: x, where: {method.target_sparsity: 0.6}}]\n", "0.6 is not a value that the matrix gives"),
    ],
)
def test_marks_are_checked(workspace, marks, said):
    ran = workspace.run("--validate", marked(workspace, marks))
    assert (ran.code, said in ran.err) == (4, True), ran


def test_a_smoke_run_is_short_marked_and_elsewhere(workspace):
    workspace.run("spec.yaml", "-k", "V0")
    real = (workspace.folder / "analysis/results.json").read_text()
    workspace.write("spec.yaml", SPEC.replace("sparsity >= 0.5", "sparsity >= 0.9").replace("steps: 12", "steps: 400"))
    ran = workspace.run("spec.yaml", "--smoke")
    assert ran.code == 0, ran
    found = results(workspace, "analysis-smoke")
    assert found["smoke"]
    assert {item["method"]["steps"] for item in found["items"]} == {12}  # the least that the method takes
    assert {item["methodology"]["examples"] for item in found["items"]} == {8}
    assert outcomes(workspace, "analysis-smoke") == ["warned"] * 4
    assert (workspace.folder / "analysis/results.json").read_text() == real
    assert "smoke run: 4 passed (4 with warnings)" in ran.out
    assert "numbers mean nothing" in (workspace.folder / "analysis-smoke/report.md").read_text()


def test_a_smoke_run_cannot_be_approved_and_is_no_last_failure(workspace, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    workspace.edit("sparsity >= 0.5", "sparsity >= 0.9")
    workspace.run("spec.yaml", "--smoke")
    ran = workspace.mechint("baseline", "approve", "analysis-smoke", "--reason", "x")
    assert (ran.code, "it was run with --smoke" in ran.err) == (4, True)
    assert not (workspace.folder / ".mechint_cache").exists()


def test_a_smoke_run_finds_what_does_not_work(workspace):
    (workspace.folder / "output/final_model_stepV0.pt").write_bytes(b"x")
    assert workspace.run("spec.yaml", "--smoke").code == 7


COMMON = SPEC[SPEC.index("task:") : SPEC.index("output_dir")]
INCLUDING = SPEC.replace(COMMON, "") + "include: _common.yaml\n"


@pytest.fixture
def including(workspace):
    workspace.write("_common.yaml", COMMON)
    workspace.write("spec.yaml", INCLUDING)
    return workspace


def test_what_a_spec_includes_is_as_if_it_stood_there(including):
    ran = including.run("spec.yaml")
    assert (ran.code, outcomes(including)) == (0, ["passed"] * 4), ran
    assert including.run("--validate", ".").out == "./spec.yaml: valid, 2 items for each checkpoint\n"


def test_the_specs_own_keys_come_first(including):
    including.write("spec.yaml", INCLUDING + "method: {steps: 14}\n")
    including.run("spec.yaml", "-k", "V0 and 0.5")
    (item,) = results(including)["items"]
    assert (item["method"]["steps"], item["method"]["batch_size"]) == (14, 8)


def test_an_assertion_that_fails_is_named_with_the_file_that_states_it(including):
    including.write("_common.yaml", COMMON.replace(">= 0.5", ">= 0.9"))
    ran = including.run("spec.yaml")
    place = f"_common.yaml:{COMMON[: COMMON.index('- sparsity')].count(chr(10)) + 1}"
    assert f"{place}: failed: sparsity >= 0.9" in ran.out
    assert f"(\\{place})" in (including.folder / "analysis/report.md").read_text()


def test_the_hash_of_a_spec_covers_what_it_includes(including):
    hashes = []
    for steps in (12, 13):
        including.write("_common.yaml", COMMON.replace("steps: 12", f"steps: {steps}"))
        including.run("spec.yaml", "-k", "V0 and 0.5")
        hashes.append(results(including)["spec"]["sha256"])
    assert hashes[0] != hashes[1]
