"""The page that a run leaves, and ``mechint report``."""

import webbrowser
from pathlib import Path

import mechint.plugins.html as plugin
import pytest

from mechint.results.store import write_report
from tests.html_page import addresses, read_page
from tests.reports import make_run
from tests.runs import save_item, save_run

pytestmark = pytest.mark.usefixtures("known")


def page_of(workspace, folder="analysis"):
    return (workspace.folder / folder / "report.html").read_text()


def test_a_run_leaves_a_page_that_asks_for_nothing(workspace):
    workspace.run("spec.yaml", "--models", "output/*V0.pt")
    text = page_of(workspace)
    page = read_page(text)
    assert page.faults == []
    assert [element.text.split()[:4] for element in page.all("h1")] == [["✓", "PASSED", "2", "passed"]]
    assert addresses(text) == []
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert str(policy.attributes["content"]).startswith("default-src 'none'; img-src data:; base-uri 'none'")
    assert len(page.all("option")) == 2 + 3 + 1 + 3
    assert {element.attributes.get("src", "data:")[:5] for element in page.elements} == {"data:"}


def test_every_link_of_the_page_leads_to_a_file_of_the_run_or_into_the_page(workspace):
    workspace.run("spec.yaml", "--models", "output/*V0.pt")
    page = read_page(page_of(workspace))
    links = [str(element.attributes["href"]) for element in page.all("a")]
    within = [link[1:] for link in links if link.startswith("#")]
    assert set(within) <= set(page.ids)
    assert [x for x in links if not x.startswith("#") and not (workspace.folder / "analysis" / x).is_file()] == []


@pytest.fixture
def finished(workspace):
    """A workspace whose folder ``analysis`` holds a run and no page."""
    write_report(save_run(workspace.folder / "analysis", 2, layers=2), workspace.folder / "analysis")
    return workspace


def test_the_page_of_a_finished_run_can_be_written_again_and_opened(finished, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    ran = finished.mechint("report", "analysis", "--open")
    assert (ran.code, ran.out) == (0, "analysis/report.html\n")
    assert opened == [(finished.folder / "analysis/report.html").as_uri()]
    first = page_of(finished)
    assert finished.mechint("report", "analysis").code == 0
    assert (page_of(finished), len(opened)) == (first, 1)


def test_where_no_browser_can_be_started_the_program_says_so(finished, monkeypatch):
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    ran = finished.mechint("report", "analysis", "--open")
    assert (ran.code, "open the page yourself" in ran.err) == (0, True)


def test_a_folder_without_a_run_is_refused(workspace):
    ran = workspace.mechint("report", "output")
    assert ran.code == 4
    assert "output/results.json: cannot be read" in ran.err


def test_a_hundred_items_of_48_layers_stay_below_five_megabytes(tmp_path: Path):
    """The items share one folder's files, under a hundred names."""
    one = save_item(tmp_path, "step0", layers=48, width=192)
    for number in range(1, 100):
        (tmp_path / f"step{number}").symlink_to(tmp_path / "step0")
    items = tuple(one.model_copy(update={"id": f"step{number}"}) for number in range(100))
    plugin.mechint_run_finished(report=make_run(items), output_dir=tmp_path)
    page = read_page((tmp_path / "report.html").read_text())
    assert (tmp_path / "report.html").stat().st_size < 5_000_000
    assert len(page.all("details")) == 100
    assert len(page.all("option")) == 100 + 101 + 1 + 3
    assert any("neighbours share a cell" in element.text for element in page.all("p"))
    assert any("does not fit in this page" in element.text for element in page.all("p"))
    assert any("no more room for pictures" in element.text for element in page.all("p"))
