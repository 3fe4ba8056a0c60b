from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from mechint.plugins.github import mechint_command_finished

from mechint.results.reporting import Reporting
from mechint.results.values import RunReport
from tests.findings import hostile_run, many_failures, many_items
from tests.reports import SPEC, failed_item, make_run

COMMAND = re.compile(r"::(error|warning|notice) ((?:\w+=[^:,\n]*,?)+)::([^\n]*)")


@pytest.fixture
def tell(tmp_path, capsys, monkeypatch):
    """The commands that runs give, and the summary that they leave."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))

    def tell(*runs: RunReport) -> tuple[list[str], str]:
        mechint_command_finished(reports=runs, reporting=Reporting())
        return capsys.readouterr().out.splitlines(), (tmp_path / "summary.md").read_text()

    return tell


def test_an_assertion_is_annotated_at_its_line(tell):
    lines, _ = tell(make_run((failed_item(),)))
    assert lines[0] == (
        f"::error file={SPEC},line=27,title=failed%3A faithfulness >= 0.8"
        "::stepV0-target_sparsity0.95: faithfulness >= 0.8: 0.79996 is not >= 0.8"
    )


def test_what_fails_in_several_items_is_one_annotation(tell):
    lines, _ = tell(make_run((failed_item("a"), failed_item("b"))))
    assert len(lines) == 2
    assert "title=failed%3A faithfulness >= 0.8 in 2 items::a: " in lines[0]
    assert "%0Ab: faithfulness" in lines[0]


def test_an_item_that_broke_is_annotated_in_the_first_line_of_its_spec(tell):
    lines, _ = tell(make_run())
    assert any(
        line.startswith(f"::error file={SPEC},line=1,title=error%3A CheckpointError::stepV2: ") for line in lines
    )


def test_what_only_warns_is_a_warning(tell):
    lines, _ = tell(make_run())
    assert len([line for line in lines if line.startswith("::warning ")]) == 2  # one of them is undecided


def test_no_more_annotations_than_github_shows(tell):
    lines, _ = tell(many_failures())
    assert len(lines) == 11
    assert lines[-1] == "::notice title=mechint::4,990 more errors are in report.md and results.json"


def test_thousands_of_items_of_one_assertion_are_counted(tell):
    lines, _ = tell(make_run(tuple(many_items(5000, failed_item()))))
    assert len(lines) == 2
    assert lines[0].endswith("%0Aand 4,990 more items")
    assert len(lines[0]) < 10_000


def test_the_summary_of_thousands_of_failures_is_below_a_mebibyte(tell, tmp_path):
    (tmp_path / "summary.md").write_text("x" * 1_000_000)
    _, summary = tell(many_failures())
    assert len(summary.encode()) <= 1024 * 1024
    assert summary.rstrip().endswith("more lines do not fit here; results.json has them")


def test_a_full_summary_is_left_alone(tell, tmp_path):
    (tmp_path / "summary.md").write_text("x" * 1024 * 1024)
    assert len(tell(many_failures(3))[1].encode()) == 1024 * 1024


def test_the_summary_lists_runs_and_findings(tell):
    _, summary = tell(make_run())
    assert f"| {SPEC} | FAILED | 2 passed (1 with warnings), 1 failed, 1 undecided, 2 errors in 73.1s |" in summary
    assert "- **FAILED** stepV0-target_sparsity0.95: faithfulness >= 0.8: 0.79996 is not >= 0.8" in summary
    assert MarkdownIt("gfm-like", {"linkify": False}).render(summary).count("<table>") == 1


def test_hostile_names_give_no_command(tell):
    lines, summary = tell(hostile_run())
    assert len(lines) == 2
    assert [line for line in lines if COMMAND.fullmatch(line) is None] == []
    assert "\x1b" not in "".join(lines) + summary
    assert "<script" not in MarkdownIt("gfm-like", {"linkify": False}).render(summary)


def test_without_a_summary_only_annotations_are_made(capsys, monkeypatch, tmp_path: Path):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    mechint_command_finished(reports=[make_run()], reporting=Reporting(stdout=False))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("::error ")
