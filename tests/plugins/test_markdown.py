import subprocess
import sys
from pathlib import Path

import mechint.plugins.markdown as plugin
import pytest
from markdown_it import MarkdownIt

from mechint.results.values import ErrorFacts, ItemReport, Outcome, Verdict
from tests.findings import many_items
from tests.reports import broken_item, failed_item, make_item, make_run


def item_page(report: ItemReport, folder: Path) -> str:
    plugin.mechint_item_finished(report=report, folder=folder)
    return (folder / "circuit_analysis_report.md").read_text()


def run_page(folder: Path, *items: ItemReport) -> str:
    plugin.mechint_run_finished(report=make_run(items or None), output_dir=folder)
    return (folder / "report.md").read_text()


def test_an_item_report_begins_with_its_verdicts(tmp_path: Path) -> None:
    lines = item_page(failed_item(), tmp_path).splitlines()
    assert lines[0] == "# FAILED: stepV0-target_sparsity0.95"
    assert lines[6] == (
        "| FAILED | faithfulness >= 0.8 | 0.79996 | 0.79996 is not >= 0.8 | specs/kv_ablation.yaml:27 |"
    )


@pytest.mark.parametrize(
    "line",
    [
        "| random | 3.701 | 0.1893 |",
        "| faithfulness | 0.8831 |  |  |",
        "| 0 | 62/128 | 0.5156 | 0.001230 | 61/128 | 0.5234 | 0.001230 |",
        "| target_sparsity | 0.8 |",
        "| ablation | mean |",
        "- swap found the circuit: loss 1.8973 on the search examples",
        "![kv channel importance](kv_channel_importance.png)",
        "- [metrics.jsonl](metrics.jsonl)",
    ],
)
def test_an_item_report_says_all_that_was_found(line: str, tmp_path: Path) -> None:
    assert line in item_page(make_item(), tmp_path).splitlines()


def test_every_table_renders_as_a_table(tmp_path: Path) -> None:
    html = MarkdownIt("gfm-like", {"linkify": False}).render(item_page(make_item(), tmp_path))
    assert html.count("<table>") == 7
    assert "| ---" not in html


def test_a_broken_item_is_explained_without_a_traceback(tmp_path: Path) -> None:
    page = item_page(broken_item(), tmp_path)
    assert page.startswith("# ERROR: stepV2\n")
    assert "CheckpointError: output/final_model_stepV2.pt: the archive is truncated\n  hint: copy" in page
    assert "fault of the program" not in page


def test_a_bug_keeps_its_traceback(tmp_path: Path) -> None:
    page = item_page(make_run().items[-1], tmp_path)
    assert '```text\nTraceback (most recent call last):\n  File "plugins/kv.py"' in page


def test_an_item_that_asserts_nothing_says_so(tmp_path: Path) -> None:
    assert "asserts nothing" in item_page(make_item(verdicts=()), tmp_path)


def test_a_run_report_begins_with_the_outcome(tmp_path: Path) -> None:
    first = run_page(tmp_path).splitlines()[0]
    assert first == "# FAILED: 2 passed (1 with warnings), 1 failed, 1 undecided, 2 errors in 73.1s"


@pytest.mark.parametrize(
    "line",
    [
        "| [stepV0-target_sparsity0.95](stepV0-target_sparsity0.95/circuit_analysis_report.md) | FAILED | 0.79996"
        " | 0.1214 | 0.1214 | 0.9500 | 12.3 |",
        "| [stepV2](stepV2/circuit_analysis_report.md) | ERROR | n/a | n/a | n/a | n/a | 12.3 |",
        "- **FAILED** faithfulness >= 0.8: 0.79996 is not >= 0.8 (specs/kv_ablation.yaml:27)",
        "- **WARNED** sparsity >= 0.8: 0.7998046875 is not >= 0.8 (specs/kv_ablation.yaml:30)",
        "  - hint: copy it again, or train it anew",
        "| torch | 2.13.0+cpu |",
    ],
)
def test_a_run_report_lists_items_and_explains_failures(line: str, tmp_path: Path) -> None:
    assert line in run_page(tmp_path).splitlines()


def test_a_run_where_all_passed_has_nothing_to_explain(tmp_path: Path) -> None:
    assert "What did not hold" not in run_page(tmp_path, make_item())


def test_an_interrupted_run_says_so(tmp_path: Path) -> None:
    plugin.mechint_run_finished(report=make_run((), interrupted=True), output_dir=tmp_path)
    page = (tmp_path / "report.md").read_text()
    assert "no items in 73.1s, interrupted" in page
    assert "The run was interrupted" in page


def test_hostile_text_is_inert_wherever_it_stands(tmp_path: Path) -> None:
    hostile = "</p><script>x</script>|`[a](b)\n# h\x1b[31m {{ 7 * 7 }}{% include '/etc/passwd' %}"
    item = make_item(
        hostile,
        outcome=Outcome.ERROR,
        method={"name": hostile, hostile: hostile},
        summary=(hostile,),
        scores_are=hostile,
        artifacts=(f"{hostile}.png",),
        measures={hostile: 1.0},
        values={hostile: {hostile: 1.0}},
        verdicts=(Verdict(text=hostile, line=1, metric=hostile, actual=1, outcome=Outcome.FAILED, reason=hostile),),
        error=ErrorFacts(kind=hostile, message=hostile, traceback=f"```\n{hostile}"),
    )
    pages = item_page(item, tmp_path) + run_page(tmp_path, item)
    html = MarkdownIt("gfm-like", {"linkify": False}).render(pages)
    assert "<script" not in html
    assert 'href="b"' not in html
    assert "\x1b" not in pages
    assert html.count("{{ 7 * 7 }}{% include '/etc/passwd' %}") == html.count("script&gt;x&lt;") > 10


def test_thousands_of_failures_stay_below_a_megabyte(tmp_path: Path) -> None:
    page = run_page(tmp_path, make_item("good"), *many_items(5000, failed_item()))
    assert len(page) < 1_000_000
    assert "4001 more items are in results.json" in page
    assert "4900 more items did not pass" in page


def test_an_item_of_an_earlier_run_says_so(tmp_path: Path) -> None:
    assert "measured by an earlier run" in item_page(make_item(cached=True), tmp_path)
    assert "measured by an earlier run" not in item_page(make_item(), tmp_path)
    assert "12.3 (cached)" in run_page(tmp_path, make_item(cached=True))


@pytest.mark.parametrize("name", ["markdown", "terminal"])
def test_importing_a_reporter_is_cheap(name: str) -> None:
    heavy = "{'torch', 'jinja2', 'matplotlib', 'rich', 'numpy'}"
    code = f"import sys, mechint.plugins.{name}; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
