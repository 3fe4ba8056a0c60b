import json
import sys

import pytest
from markdown_it import MarkdownIt

from mechint.comparison import report
from mechint.comparison.compare import compare
from mechint.comparison.report import PAGE, remove_comparison, write_files
from mechint.errors import UsageError
from tests.comparison.runs import made, write_run

HOSTILE = ["a|b `c`", "<script>alert(1)</script>", "![x](http://example.com/x)", "# head", "=cmd"]


def page(tmp_path, *names):
    """The page of a comparison whose entries have these names."""
    folder = write_run(tmp_path / "run", *(made(f"V{at}", at) for at in range(len(names))))
    comparison = compare([folder])
    text = comparison.model_dump_json()
    for at, name in enumerate(names):
        text = text.replace(f'"V{at}"', json.dumps(name))
    write_files(type(comparison).model_validate_json(text), tmp_path / "out")
    return (tmp_path / "out" / PAGE).read_text()


def test_the_page_begins_with_what_was_found(tmp_path):
    lines = page(tmp_path, "stepV0", "stepV1").splitlines()
    assert lines[0] == "# Comparison of run"
    assert lines[2].startswith("None of ")
    assert lines[2].endswith(" (corrected by Holm so that the chance of any false one is at most 5 %).")


def test_every_table_renders_as_a_table(tmp_path):
    html = MarkdownIt("gfm-like", {"linkify": False}).render(page(tmp_path, "stepV0", "stepV1"))
    assert html.count("<table>") == 6
    assert "| ---" not in html


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_can_only_be_read(name, tmp_path):
    html = MarkdownIt("gfm-like", {"linkify": False}).render(page(tmp_path, "stepV0", name))
    plain = MarkdownIt("gfm-like", {"linkify": False}).render((tmp_path / "out" / PAGE).read_text().replace(name, "x"))
    assert "<script" not in html
    assert 'src="http' not in html
    for tag in ("<h1>", "<td>", "<tr>", "<a ", "<img ", "<code>", "<ul>"):
        assert html.count(tag) == plain.count(tag), tag


def test_figures_and_files_that_are_named_are_there(tmp_path):
    text = page(tmp_path, "stepV0", "stepV1")
    targets = [part.partition(")")[0] for part in text.split("](")[1:]]
    assert {"deltas.png", "faithfulness.png", "overlaps.png", "thirds.png", "comparison.json"} <= set(targets)
    assert [target for target in targets if not (tmp_path / "out" / target).is_file()] == []


def test_the_same_runs_are_the_same_bytes(tmp_path):
    folder = write_run(tmp_path / "run", made("V0", 0), made("V1", 1))
    for name in ("a", "b"):
        write_files(compare([folder]), tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert [
        name for name in files if (tmp_path / "a" / name).read_bytes() != (tmp_path / "b" / name).read_bytes()
    ] == []


def test_an_earlier_comparison_leaves_nothing_behind(tmp_path):
    page(tmp_path, "stepV0", "stepV1")
    (tmp_path / "out/steps_2.png").write_bytes(b"old")
    write_files(compare([tmp_path / "run"]), tmp_path / "out")
    assert not (tmp_path / "out/steps_2.png").exists()


def test_what_somebody_adds_to_a_comparison_stays(tmp_path):
    page(tmp_path, "stepV0", "stepV1")
    (tmp_path / "out/notes.md").write_text("mine")
    write_files(compare([tmp_path / "run"]), tmp_path / "out")
    assert (tmp_path / "out/notes.md").read_text() == "mine"


def test_a_folder_that_cannot_be_made_says_so(tmp_path):
    comparison = compare([write_run(tmp_path / "run", made("V0", 0), made("V1", 1))])
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="out' cannot be written to: File exists"):
        write_files(comparison, tmp_path / "out")


def test_a_folder_of_somebody_else_is_not_emptied(tmp_path):
    (tmp_path / "notes.md").write_text("mine")
    with pytest.raises(UsageError, match="and no comparison, so nothing is written there"):
        remove_comparison(tmp_path)
    assert (tmp_path / "notes.md").read_text() == "mine"


def test_a_folder_that_is_not_there_is_fine(tmp_path):
    remove_comparison(tmp_path / "nowhere")


@pytest.mark.parametrize("step", ["_draw", "sheets", "render_page", "render_html"])
def test_what_a_killed_program_leaves_is_replaced(tmp_path, monkeypatch, step):
    comparison = compare([write_run(tmp_path / "run", made("V0", 0), made("V1", 1))])
    with monkeypatch.context() as patch:
        patch.setattr(report, step, lambda *_: sys.exit("killed"))
        with pytest.raises(SystemExit):
            write_files(comparison, tmp_path / "out")
    (tmp_path / "out/.comparison.md.abcd1234.partial").write_text("half")
    write_files(comparison, tmp_path / "out")
    assert (tmp_path / "out/comparison.html").is_file()
    assert not list((tmp_path / "out").glob("*.partial"))


def test_half_of_its_first_file_is_no_stranger(tmp_path):
    (tmp_path / ".comparison.json.abcd1234.partial").write_text("half")
    remove_comparison(tmp_path)
    assert list(tmp_path.iterdir()) == []
