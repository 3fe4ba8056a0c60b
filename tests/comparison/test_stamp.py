"""When a comparison need not be made again."""

import hashlib
import json

import pytest

from mechint.comparison.report import remove_comparison
from mechint.comparison.stamp import STAMP, is_made_from, sign, stamp_of
from mechint.results.store import read_report
from mechint.results.values import Outcome
from tests.comparison.runs import made, write_run


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run", made("V0", 0), made("V1", 1))


def stamp(run, **changed):
    report = read_report(run / "results.json")
    item = report.items[0].model_copy(update=changed)
    return stamp_of(report.model_copy(update={"items": (item, *report.items[1:])}), run)


@pytest.mark.parametrize("changed", [{"seconds": 9.0}, {"cached": True}, {"outcome": Outcome.FAILED}, {"verdicts": ()}])
def test_when_a_run_was_and_how_it_was_judged_do_not_count(run, changed):
    assert stamp(run, **changed) == stamp(run)


@pytest.mark.parametrize("changed", [{"seed": 7}, {"measures": {"loss": 1.0}}, {"outcome": Outcome.SKIPPED}])
def test_what_is_compared_counts(run, changed):
    assert stamp(run, **changed) != stamp(run)


@pytest.mark.parametrize("name", ["final_masks.pt", "per_example.safetensors"])
def test_the_files_that_are_compared_count(run, name):
    before = stamp(run)
    (run / "V1" / name).write_bytes(b"others")
    assert stamp(run) != before


def test_the_code_counts(run, monkeypatch):
    before = stamp(run)
    monkeypatch.setattr("mechint.comparison.stamp._ROOMS", ("figures",))
    assert stamp(run) != before


def test_a_signed_folder_is_made_from_its_stamp_while_it_is_whole(tmp_path):
    (tmp_path / "comparison.md").write_text("found")
    assert not is_made_from(tmp_path, "a")
    sign(tmp_path, "a")
    assert (is_made_from(tmp_path, "a"), is_made_from(tmp_path, "b")) == (True, False)
    (tmp_path / "comparison.md").write_text("edited")
    assert not is_made_from(tmp_path, "a")


@pytest.mark.parametrize(
    "text", ["", "[]", '{"stamp": "a"}', '{"stamp": "a", "files": []}', '{"stamp": "a", "files": {"x": 1}}']
)
def test_a_stamp_that_is_damaged_is_none(tmp_path, text):
    (tmp_path / STAMP).write_text(text)
    assert not is_made_from(tmp_path, "a")


@pytest.mark.parametrize("name", ["/dev/zero", "../elsewhere", "link"])
def test_a_strangers_stamp_leads_nowhere(tmp_path, name):
    folder = tmp_path / "comparison"
    folder.mkdir()
    (tmp_path / "elsewhere").touch()
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    empty = hashlib.sha256().hexdigest()
    (folder / STAMP).write_text(json.dumps({"stamp": "a", "files": {name: empty}}))
    assert not is_made_from(folder, "a")


def test_the_stamp_goes_with_the_comparison(tmp_path):
    (tmp_path / "comparison.md").write_text("found")
    sign(tmp_path, "a")
    remove_comparison(tmp_path)
    assert list(tmp_path.iterdir()) == []
