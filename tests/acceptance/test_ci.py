"""What a build system reads, from runs as it starts them."""

import json

import pytest
from junitparser import JUnitXml

from mechint.results.values import RunReport

pytestmark = pytest.mark.usefixtures("known")


@pytest.fixture
def two_specs(workspace):
    """One that fails at a sparsity of 0.5 and one that passes, on one checkpoint."""
    text = (workspace.folder / "spec.yaml").read_text().replace("step*", "stepV0")
    workspace.write("spec.yaml", text.replace(">= 0.5", ">= 0.7"))
    workspace.write("other.yaml", text.replace("analysis", "other"))
    return workspace


def test_every_spec_of_a_command_is_in_one_file(two_specs):
    ran = two_specs.run("spec.yaml", "other.yaml", "--junitxml", "ci/junit.xml", "--sarif", "ci/mechint.sarif")
    assert ran.code == 1
    suites = list(JUnitXml.fromfile(str(two_specs.folder / "ci/junit.xml")))
    assert [(suite.name, suite.tests, suite.failures) for suite in suites] == [
        ("spec.yaml", 2, 1),
        ("other.yaml", 2, 0),
    ]
    (run,) = json.loads((two_specs.folder / "ci/mechint.sarif").read_text())["runs"]
    (result,) = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "spec.yaml"}, "region": {"startLine": 17}}


def test_json_is_alone_on_standard_output(two_specs):
    ran = two_specs.run("spec.yaml", "other.yaml", "--json")
    reports = [RunReport.model_validate_json(line) for line in ran.out.splitlines()]
    assert [(report.spec.path, report.exit_code) for report in reports] == [("spec.yaml", 1), ("other.yaml", 0)]
    assert "mechint run starts" in ran.err
    assert reports[0].model_dump(mode="json") == json.loads((two_specs.folder / "analysis/results.json").read_text())


def test_github_is_told_without_being_asked(two_specs, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(two_specs.folder / "summary.md"))
    ran = two_specs.run("spec.yaml", "other.yaml")
    commands = [line for line in ran.out.splitlines() if line.startswith("::")]
    assert [line.partition(",title")[0] for line in commands] == ["::error file=spec.yaml,line=17"]
    summary = (two_specs.folder / "summary.md").read_text()
    assert "| spec.yaml | FAILED | 1 passed, 1 failed in" in summary
    assert "| other.yaml | PASSED | 2 passed in" in summary


def test_nobody_else_gets_annotations(two_specs, monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert "::error" not in two_specs.run("spec.yaml").out


def test_an_item_that_cannot_be_measured_says_its_code_everywhere(two_specs):
    (two_specs.folder / "output/final_model_stepV0.pt").write_bytes(b"PK\x03\x04 cut short")
    ran = two_specs.run("other.yaml", "--junitxml", "junit.xml")
    code = json.loads((two_specs.folder / "other/results.json").read_text())["items"][0]["error"]["code"]
    assert (ran.code, code[:2]) == (7, "E5")
    assert f"[{code}]" in ran.out
    assert f"[{code}]" in (two_specs.folder / "junit.xml").read_text()
    assert f"\\[{code}\\]" in (two_specs.folder / "other/report.md").read_text()


def test_a_fault_of_a_spec_ends_with_its_code(two_specs):
    two_specs.edit("  steps: 12", "  stpes: 12")
    ran = two_specs.run("--validate", "spec.yaml")
    assert ran.err == "spec.yaml:10:3: unknown key 'stpes' in method kv_circuit; did you mean 'steps'? [E101]\n"
