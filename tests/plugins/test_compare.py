import mechint.plugins.compare as plugin
import mechint.plugins.html as html
import mechint.plugins.markdown as markdown
import pytest

from mechint.comparison import compare as comparison
from mechint.comparison.store import read_comparison
from mechint.errors import UsageError
from mechint.results.store import read_report
from tests.comparison.runs import made, write_run


def finish(folder):
    plugin.mechint_run_finished(report=read_report(folder / "results.json"), output_dir=folder)


def test_a_run_of_several_entries_is_compared_beside_its_items(tmp_path):
    write_run(tmp_path / "run", made("stepV0", 0), made("stepV1", 1))
    finish(tmp_path / "run")
    found = read_comparison(tmp_path / "run/comparison/comparison.json")
    assert [entry.name for entry in found.groups[0].entries] == ["stepV0", "stepV1"]


def test_it_is_made_again_only_where_something_else_is_compared_or_it_was_touched(tmp_path, monkeypatch):
    folder = write_run(tmp_path / "run", made("stepV0", 0), made("stepV1", 1))
    compare, made_again = comparison.compare, []
    monkeypatch.setattr(comparison, "compare", lambda runs: made_again.append(runs) or compare(runs))
    finish(folder)
    before = {path.name: path.read_bytes() for path in (folder / "comparison").iterdir()}
    finish(folder)
    assert len(made_again) == 1
    (folder / "comparison/comparison.html").write_text("edited")
    finish(folder)
    assert len(made_again) == 2
    assert {path.name: path.read_bytes() for path in (folder / "comparison").iterdir()} == before


@pytest.mark.parametrize("entries", [1, 2])
def test_the_report_links_it_where_there_is_one(entries, tmp_path):
    folder = write_run(tmp_path / "run", *(made(f"stepV{at}", at) for at in range(entries)))
    finish(folder)
    markdown.mechint_run_finished(report=read_report(folder / "results.json"), output_dir=folder)
    html.mechint_run_finished(report=read_report(folder / "results.json"), output_dir=folder)
    assert ("](comparison/comparison.md)" in (folder / "report.md").read_text()) == (entries > 1)
    assert ('"comparison/comparison.html"' in (folder / "report.html").read_text()) == (entries > 1)


def test_the_comparison_of_an_earlier_run_does_not_stay(tmp_path):
    folder = write_run(tmp_path / "run", made("stepV0", 0), made("stepV1", 1))
    finish(folder)
    (folder / "results.json").write_text((write_run(tmp_path / "one", made("stepV0", 0)) / "results.json").read_text())
    finish(folder)
    assert list((folder / "comparison").iterdir()) == []


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    folder = write_run(tmp_path / "run", made("stepV0", 0), made("stepV1", 1))
    (folder / "comparison").mkdir()
    (folder / "comparison/notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt"):
        finish(folder)


def test_it_comes_before_the_reporters_that_link_it():
    assert plugin.mechint_run_finished.mechint_impl["tryfirst"]
