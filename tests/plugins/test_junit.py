from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped
from mechint.plugins.junit import mechint_command_finished

from mechint.results.reporting import Reporting
from mechint.results.values import Outcome, RunReport
from tests.findings import hostile_run, many_failures
from tests.reports import SPEC, make_run, marked_item

LARGEST_FILE_OF_GITLAB = 30_000_000


def written(folder: Path, *runs: RunReport) -> Path:
    path = folder / "reports/junit.xml"
    mechint_command_finished(reports=runs, reporting=Reporting(junit=str(path)))
    return path


def cases(folder: Path, *runs: RunReport) -> dict[str, list[object]]:
    """Every case's name with its results, as another reader finds them."""
    read = JUnitXml.fromfile(str(written(folder, *runs)))
    return {case.name: list(case.result) for suite in read for case in suite}


def test_without_a_path_nothing_is_written(tmp_path: Path) -> None:
    mechint_command_finished(reports=[make_run()], reporting=Reporting())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("stepV0-target_sparsity0.5", []),
        ("stepV0-target_sparsity0.8", []),
        ("stepV0-target_sparsity0.95", [Failure]),
        ("stepV1-target_sparsity0.8", [Failure]),
        ("stepV2", [Error]),
    ],
)
def test_an_item_is_a_case_with_one_result(name: str, kinds: list[type], tmp_path: Path) -> None:
    assert [type(result) for result in cases(tmp_path, make_run())[name]] == kinds


def test_a_failure_lists_all_assertions_with_their_places(tmp_path: Path) -> None:
    (failure,) = cases(tmp_path, make_run())["stepV0-target_sparsity0.95"]
    assert failure.message == "faithfulness >= 0.8: 0.79996 is not >= 0.8 (and 1 more)"
    assert failure.text.splitlines() == [
        f"{SPEC}:27: failed: faithfulness >= 0.8: 0.79996 is not >= 0.8",
        f"{SPEC}:28: failed: margin_over_random >= 0.2: 0.1214 is not >= 0.2",
        f"again: mechint-run {SPEC}::stepV0-target_sparsity0.95",
    ]


def test_a_bug_keeps_the_end_of_its_traceback(tmp_path: Path) -> None:
    (error,) = cases(tmp_path, make_run())["stepV10"]
    assert error.text.endswith("KeyError: 'k.7'")


@pytest.mark.parametrize(
    ("outcome", "kind", "message"),
    [
        (Outcome.SKIPPED, Skipped, "issue 7"),
        (Outcome.XFAILED, Skipped, "issue 7"),
        (Outcome.XPASSED, Failure, "every assertion holds, and the spec expects a failure: issue 7"),
    ],
)
def test_marks_of_the_spec_are_told_as_pytest_does(outcome: Outcome, kind: type, message: str, tmp_path: Path) -> None:
    (result,) = cases(tmp_path, make_run((marked_item(outcome),)))[f"item-{outcome.value}"]
    assert (type(result), result.message) == (kind, message)


def test_the_counts_are_those_of_the_cases(tmp_path: Path) -> None:
    read = JUnitXml.fromfile(str(written(tmp_path, make_run((*make_run().items, marked_item(Outcome.SKIPPED))))))
    assert (read.tests, read.failures, read.errors, read.skipped) == (7, 2, 2, 1)


def test_a_warning_is_output_of_a_case_that_passed(tmp_path: Path) -> None:
    text = written(tmp_path, make_run()).read_text()
    assert f"<system-out>{SPEC}:30: warned: sparsity &gt;= 0.8" in text


def test_hostile_text_is_text_to_another_reader(tmp_path: Path) -> None:
    path = written(tmp_path, hostile_run())
    read = cases(tmp_path, hostile_run())
    assert len(read) == 3
    assert "]]>" not in path.read_text()
    assert "\x1b" not in path.read_text()
    assert "</failure>]]>" in next(result for results in read.values() for result in results).text


def test_thousands_of_failures_have_names_of_their_own_and_fit(tmp_path: Path) -> None:
    other = many_failures(10).model_copy(update={"spec": make_run().spec.model_copy(update={"path": "specs/b.yaml"})})
    path = written(tmp_path, many_failures(), other)
    names = [(case.get("classname"), case.get("name")) for case in ElementTree.parse(path).iter("testcase")]
    assert len(set(names)) == len(names) == 5010
    assert path.stat().st_size < LARGEST_FILE_OF_GITLAB / 3
