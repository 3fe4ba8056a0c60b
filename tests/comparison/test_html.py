import json
import re

import pytest

from mechint.comparison import html
from mechint.comparison.compare import compare
from mechint.comparison.report import PAGE, WEB_PAGE, write_files
from tests.comparison.runs import made, space_of, write_run
from tests.html_page import addresses, read_page

CANARY = """</script><script>alert(1)</script><img src=x onerror=alert(1)>"'|`{{ 7 * 7 }}\u202e\x1b[31m"""


def make(folder, *items, renamed=None):
    """The comparison of a run of these items; entries may be renamed."""
    comparison = compare([write_run(folder / "run", *items)])
    text = comparison.model_dump_json()
    for old, name in (renamed or {}).items():
        text = text.replace(f':"{old}"', f":{json.dumps(name)}")
    comparison = type(comparison).model_validate_json(text)
    write_files(comparison, folder / "out")
    return comparison


def read(folder):
    return read_page((folder / "out" / WEB_PAGE).read_text())


def texts(page, tag, **attributes):
    return [" ".join(element.text.split()) for element in page.all(tag, **attributes)]


@pytest.fixture
def page(tmp_path):
    make(tmp_path, made("step2", 0), made("step10", 1, lost=1.2), made("step11", 2, space=space_of(6)))
    return read(tmp_path)


def test_findings_come_first_then_groups_files_and_runs(page):
    assert texts(page, "h1") == ["Comparison of run"]
    assert texts(page, "h2") == ["Findings", "kv_circuit on tokens", "Files", "Runs"]
    assert any(text.startswith("faithfulness of step10 is lower than that of step2") for text in texts(page, "li"))


def test_elements_are_nested_named_once_and_labelled(page):
    assert page.faults == []
    assert len(set(page.ids)) == len(page.ids)
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(element.attributes.get("scope") in ("col", "row") for element in page.all("th"))
    assert all(element.attributes.get("alt") for element in page.all("img"))


def test_every_cell_of_the_markdown_page_is_in_this_one(page, tmp_path):
    lines = [line for line in (tmp_path / "out" / PAGE).read_text().splitlines() if line.startswith("| ")]
    told = {" ".join(re.sub(r"\\(.)", r"\1", cell).split()) for line in lines for cell in line.strip("| ").split(" | ")}
    plain = {cell for cell in told if not set(cell) <= set("-: |")}
    assert plain <= {*texts(page, "td"), *texts(page, "th"), *texts(page, "button")}


def test_layers_and_overlaps_are_maps_that_tell_what_they_rest_on(page):
    captions = [text for text in texts(page, "caption") if "Change" in text or text.startswith("Jaccard")]
    assert captions == ["Change of the share kept: K", "Change of the share kept: V", "Jaccard index of the units kept"]
    told = {str(element.attributes["data-told"]) for element in page.all("td") if "data-told" in element.attributes}
    assert any(re.fullmatch(r"k\.3 keeps [\d.]+, k\.3 of step2 [\d.]+", text) for text in told)
    assert any(re.match(r"by chance [\d.]+, p by Holm [=<] [\d.]+; Spearman", text) for text in told)


def test_what_is_left_out_is_named(tmp_path):
    unlike = made("step3", 2, changed={"task": {"name": "ioi"}})
    make(tmp_path, made("step1", 0), made("step2", 1), unlike)
    assert "Not compared" in texts(read(tmp_path), "h3")
    assert any(text.startswith("run: step3") or "step3" in text for text in texts(read(tmp_path), "li"))


def test_figures_are_in_the_page_and_every_link_leads_to_a_file(page, tmp_path):
    images = page.all("img")
    assert len(images) == 5
    assert all(str(image.attributes["src"]).startswith("data:image/png;base64,") for image in images)
    links = [str(link.attributes["href"]) for link in page.all("a")]
    assert [link for link in links if not link.startswith("#") and not (tmp_path / "out" / link).is_file()] == []


def test_figures_without_room_are_linked(tmp_path, monkeypatch):
    monkeypatch.setattr("mechint.pages.files.MOST_BYTES", 0)
    make(tmp_path, made("step1", 0), made("step2", 1))
    page = read(tmp_path)
    assert page.all("img") == []
    assert "faithfulness.png" in [link.attributes["href"] for link in page.all("a")]


def test_maps_without_room_are_left_to_the_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(html, "MOST_HEAT_CELLS", 5)
    make(tmp_path, made("step1", 0), made("step2", 1))
    page = read(tmp_path)
    assert len(page.all("table", class_="heat")) == 1
    assert any("no room for maps of layers" in text for text in texts(page, "p"))


def test_no_request_can_leave_the_page(page, tmp_path):
    text = (tmp_path / "out" / WEB_PAGE).read_text()
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert str(policy.attributes["content"]).startswith("default-src 'none'; img-src data:;")
    assert addresses(text) == []


def test_hostile_names_are_inert(tmp_path):
    make(tmp_path, made("step1", 0), made("step2", 1), renamed={"step2": CANARY, "run": CANARY})
    page = read(tmp_path)
    assert page.faults == []
    assert len(page.all("script")) == 1
    assert any("{{ 7 * 7 }}" in text for text in texts(page, "td"))
    assert not any(name.startswith("on") or name == "style" for element in page.elements for name in element.attributes)
    links = [str(element.attributes["href"]) for element in page.all("a")]
    assert [link for link in links if ":" in link or link.startswith("/")] == []
    assert not any(ord(character) in (0x202E, 0x1B) for character in (tmp_path / "out" / WEB_PAGE).read_text())


def test_equal_runs_claim_nothing(tmp_path):
    folder = write_run(tmp_path / "run", made("step1", 0))
    write_files(compare([folder, folder]), tmp_path / "out")
    page = read(tmp_path)
    findings = texts(page, "section", id="findings")
    assert re.fullmatch(r"Findings (None of|The only|No) .*", findings[0])
    assert "Not compared" not in findings[0]
    assert {cell.attributes["class"] for cell in page.all("td") if "data-told" in cell.attributes} <= {"p0", "p10", ""}
