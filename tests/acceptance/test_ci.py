"""What a build system reads, from runs as it starts them."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from junitparser import JUnitXml

from mechint.results.values import RunReport

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/ci.md").read_text()
PROGRAMS = {
    "mechint-run": f'exec {sys.executable} -m mechint run "$@"',
    "mechint": f'exec {sys.executable} -m mechint "$@"',
    "pip": 'echo "pip $*"',
    "python": 'echo "python $*"',
}
"""What a build's script finds on its path; what would install only says so."""
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


@pytest.fixture
def build(workspace):
    """Runs a script in a workspace whose folder ``specs`` has one spec, as GitHub's runners and GitLab's do."""
    programs = workspace.folder / "programs"
    programs.mkdir()
    for name, script in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(stat.S_IRWXU)
    (workspace.folder / "specs").mkdir()
    (workspace.folder / "spec.yaml").rename(workspace.folder / "specs/kv_ablation.yaml")

    def run(script, **variables):
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **variables}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def steps_of_the_action(**inputs):
    """The script of each step with the variables that it gets, for the inputs that a workflow states."""
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    given = {name: inputs.get(name, facts.get("default", "")) for name, facts in action["inputs"].items()}
    for step in action["runs"]["steps"]:
        named = {name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda found: given[found[1]], text)
                 for name, text in step.get("env", {}).items()}  # fmt: skip
        yield step["run"], named


def test_the_action_installs_this_repository_with_its_constraints(build):
    (script, _), _ = steps_of_the_action(specs="specs")
    ran = build(script, GITHUB_ACTION_PATH=str(ROOT))
    assert ran.stdout == f"python -m pip install --constraint {ROOT}/constraints.txt {ROOT}\n"


def test_the_action_runs_specs_and_leaves_both_files_where_the_page_has_them(build, workspace):
    wanted = '-m "not slow" --set "faithfulness.assert=[\'sparsity >= 0.7\']"'
    _, (script, variables) = steps_of_the_action(specs="specs", arguments=wanted)
    ran = build(script, **variables, GITHUB_ACTIONS="true")
    assert ran.returncode == 1, ran
    assert [suite.failures for suite in JUnitXml.fromfile(str(workspace.folder / "mechint.xml"))] == [2]
    assert "::error file=specs/kv_ablation.yaml" in ran.stdout
    (named,) = re.findall(r"sarif_file: (\S+?)}", PAGE)
    assert len(json.loads((workspace.folder / named).read_text())["runs"][0]["results"]) > 0


def test_the_action_runs_nothing_where_a_quote_is_open(build, workspace):
    _, (script, variables) = steps_of_the_action(specs="specs", arguments="-k it's")
    assert build(script, **variables).returncode == 4
    assert not (workspace.folder / "analysis").exists()


def test_the_scripts_of_the_page_do_what_it_says_on_gitlab(build, workspace):
    (job,) = (
        job
        for block in re.findall(r"```yaml\n(circuits:.*?)```", PAGE, re.DOTALL)
        for job in yaml.safe_load(block).values()
    )
    ran = build("\n".join(job["script"]))
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (0, "pip install mechint"), ran
    report = workspace.folder / job["artifacts"]["reports"]["junit"]
    assert sum(suite.tests for suite in JUnitXml.fromfile(str(report))) == 4
    (shard,) = re.findall(r"`(mechint-run \S+ --shard \$CI.*?)`", PAGE)
    codes = [build(shard, CI_NODE_INDEX=str(number), CI_NODE_TOTAL="2").returncode for number in (1, 2)]
    merged = build(re.findall(r"`(mechint merge .*?)`", PAGE)[0].replace(" shard3 shard4", ""))
    assert (codes, merged.returncode) == ([0, 0], 0), merged
    assert "merged 2 runs: 4 passed" in merged.stdout
