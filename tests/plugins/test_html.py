import json
import re
import subprocess
import sys
from pathlib import Path

import mechint.plugins.html as plugin
import pytest

from mechint.results.tables import measure_table, methodology_table, verdict_table
from mechint.results.values import ErrorFacts, Outcome, RunReport, TitledTable, Verdict
from tests.findings import many_items
from tests.html_page import Page, read_page
from tests.reports import broken_item, failed_item, make_item, make_run, marked_item
from tests.runs import save_item


def write(report: RunReport, folder: Path) -> Page:
    plugin.mechint_run_finished(report=report, output_dir=folder)
    return read_page((folder / "report.html").read_text())


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return write(
        make_run((save_item(tmp_path, "step2"), failed_item(), save_item(tmp_path, "step10", seed=1))), tmp_path
    )


def texts(page: Page, tag: str, **attributes: str) -> list[str]:
    return [" ".join(element.text.split()) for element in page.all(tag, **attributes)]


def test_verdicts_come_first_then_changes_circuits_and_items(page: Page) -> None:
    assert texts(page, "h1") == ["✗ FAILED 2 passed, 1 failed in 73.1s"]
    assert texts(page, "h2") == ["Verdicts", "What changed", "Circuits", "Items", "Run"]


def test_elements_are_nested_and_named_once(page: Page) -> None:
    assert page.faults == []
    assert len(set(page.ids)) == len(page.ids)


def test_every_control_has_a_label(page: Page) -> None:
    labels = {element.attributes["for"] for element in page.all("label")}
    assert {element.attributes["id"] for tag in ("select", "input") for element in page.all(tag)} == labels
    assert all(element.text.strip() for element in page.all("button"))
    assert all(element.attributes.get("alt") for element in page.all("img"))
    assert all(element.attributes.get("aria-label") for element in page.all("svg"))


def test_every_column_can_be_sorted_and_every_table_has_a_caption(page: Page) -> None:
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(element.attributes.get("scope") in ("col", "row") for element in page.all("th"))
    sortable = page.all("table", class_="sortable")
    assert len(sortable) > 20
    assert len(page.all("button", type="button")) > 2 * len(sortable)


@pytest.mark.parametrize("laid_out", [verdict_table, measure_table, lambda item: methodology_table(item.methodology)])
def test_an_item_says_what_its_markdown_report_says(laid_out, page: Page, tmp_path: Path) -> None:
    cells = set(texts(page, "td"))
    assert {" ".join(cell.split()) for row in laid_out(failed_item()).rows for cell in row} <= cells


def test_items_that_did_not_pass_are_open_and_explained(page: Page) -> None:
    assert ["open" in element.attributes for element in page.all("details")] == [False, True, False]
    assert any("0.79996 is not >= 0.8 (specs/kv_ablation.yaml:27)" in text for text in texts(page, "li"))


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_a_sign_and_a_colour(outcome: Outcome, tmp_path: Path) -> None:
    page = write(make_run((), outcome=outcome), tmp_path)
    (shown,) = page.all("span", class_=outcome.value)
    assert re.fullmatch(rf"\S {outcome.value.upper()}", shown.text)
    assert re.search(rf"\.outcome\.{outcome.value}\b[^}}]* color:", page.all("style")[0].text)


@pytest.mark.parametrize("outcome", [Outcome.XFAILED, Outcome.XPASSED])
def test_an_expected_failure_is_told_with_its_reason(outcome: Outcome, tmp_path: Path) -> None:
    page = write(make_run((marked_item(outcome, cached=True),)), tmp_path)
    (note,) = [text for text in texts(page, "p", class_="note") if "::" in text]
    assert "measured by an earlier run; " in note
    assert note.endswith("issue 7.")
    assert any(text.endswith(": issue 7") for text in texts(page, "li"))


def test_of_a_skipped_item_nothing_that_an_earlier_run_left_is_shown(tmp_path: Path) -> None:
    left = save_item(tmp_path, "item-skipped")
    page = write(make_run((save_item(tmp_path, "step1"), marked_item(Outcome.SKIPPED))), tmp_path)
    assert (tmp_path / left.id / "final_masks.pt").is_file()
    assert "not measured: issue 7" in texts(page, "li")
    assert "item-skipped" not in [*texts(page, "option"), *texts(page, "a"), *texts(page, "h3")]
    assert not any("are not laid out here" in text for text in texts(page, "p"))


def test_a_smoke_run_says_that_its_numbers_mean_nothing(tmp_path: Path) -> None:
    page = write(make_run((make_item(),), smoke=True), tmp_path)
    assert "A smoke run with tiny budgets: its numbers mean nothing." in texts(page, "strong")


def test_maps_of_effects_are_tables_with_words(page: Page) -> None:
    peaks = page.all("td", class_="p10")
    assert [element.text for element in peaks][:1] == ["1.0"]
    assert re.fullmatch(r"0\.9\d+ to 1\.0\d+; 40 examples", str(peaks[0].attributes["data-told"]))
    assert any("unsure" in str(element.attributes.get("class")) for element in page.all("td"))


def test_the_circuits_can_be_chosen_and_are_in_the_page(page: Page) -> None:
    options = texts(page, "option")
    assert options.count("step2") == options.count("step10") == 2
    (data,) = page.all("script", type="application/json")
    assert [item["id"] for item in json.loads(data.text)] == ["step2", "step10"]


def test_a_picture_that_the_page_draws_itself_is_not_embedded(page: Page) -> None:
    assert [element.attributes["alt"] for element in page.all("img")] == [
        "sparsity curves of step2",
        "sparsity curves of step10",
    ]


def test_a_drop_below_an_approved_run_is_told_once(tmp_path: Path) -> None:
    text = "loss no more than 0.05 worse than baselines/kv.json"
    seeds = ("step-seed0", "step-seed1")
    drop = Verdict(
        text=text,
        line=9,
        metric="loss",
        actual=0.1,
        baseline="baselines/kv.json",
        over=seeds,
        outcome="failed",
        reason="!",
    )
    page = write(make_run(tuple(make_item(name, family="step", verdicts=(drop,)) for name in seeds)), tmp_path)
    assert texts(page, "td").count("baselines/kv.json") == 1


def test_a_run_without_a_baseline_says_how_to_have_one(page: Page) -> None:
    assert any("mechint baseline approve" in text for text in texts(page, "p"))


def test_a_bug_keeps_its_traceback(tmp_path: Path) -> None:
    page = write(make_run((make_run().items[-1], broken_item())), tmp_path)
    assert any('File "plugins/kv.py", line 7, in f' in element.text for element in page.all("pre"))
    assert "No item of the run left a circuit." in texts(page, "p")


def test_an_interrupted_run_without_items_says_so(tmp_path: Path) -> None:
    page = write(make_run((), interrupted=True, outcome=Outcome.INTERRUPTED), tmp_path)
    assert texts(page, "h1") == ["… INTERRUPTED no items in 73.1s, interrupted"]
    assert "The run was interrupted: items that had not finished are missing." in texts(page, "strong")


CANARY = """</script><script>alert(1)</script><img src=x onerror=alert(1)>"'|`{{ 7 * 7 }}\u202e\x1b[31m"""


def test_hostile_names_are_inert_wherever_they_stand(tmp_path: Path) -> None:
    item = save_item(tmp_path, "step0")
    effects = item.effects[0].model_copy(
        update={"title": CANARY, "quantity": CANARY, "columns": (CANARY, "b", "c"), "row_axis": CANARY}
    )
    hostile = {
        "nodeid": CANARY,
        "cell": {CANARY: CANARY},
        "method": {"name": CANARY},
        "scores_are": CANARY,
        "summary": (CANARY,),
        "tables": (TitledTable(title=CANARY, note=CANARY, header=(CANARY,), rows=((CANARY,),)),),
        "effects": (effects,),
        "artifacts": (f"{CANARY}.png", "https://example.org/x.png", "javascript:alert(1)"),
    }
    error = ErrorFacts(kind="E", message=CANARY, traceback=CANARY)
    spec = make_run().spec.model_copy(update={"name": CANARY, "description": CANARY})
    items = (item.model_copy(update=hostile), broken_item(CANARY, error=error))
    page = write(make_run(items, spec=spec), tmp_path)
    assert page.faults == []
    assert len(page.all("script")) == 2
    assert not any(name.startswith("on") or name == "style" for element in page.elements for name in element.attributes)
    links = [str(element.attributes["href"]) for element in page.all("a")]
    assert [link for link in links if ":" in link or link.startswith("/")] == []
    assert "49" not in texts(page, "h4")
    assert any("{{ 7 * 7 }}" in text for text in texts(page, "h4"))
    assert not any(ord(c) in (0x202E, 0x1B) for c in (tmp_path / "report.html").read_text())


def test_a_run_of_thousands_stays_a_page(tmp_path: Path) -> None:
    page = write(make_run(tuple(many_items(1500, failed_item()))), tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 5_000_000
    assert len(page.all("details")) == plugin.MOST_ITEMS
    assert any("500 more items are in results.json" in text for text in texts(page, "p"))


def test_importing_the_reporter_is_cheap() -> None:
    heavy = "{'torch', 'jinja2', 'matplotlib', 'numpy'}"
    code = f"import sys, mechint.plugins.html; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
