import json
import os

import pytest

from mechint.checkpoint.finished import FinishedAnalysis, find_finished
from mechint.errors import UsageError
from tests.older import save_older


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with one item, as far as its folder tells."""
    monkeypatch.chdir(tmp_path)
    item = tmp_path / "analysis/stepV0"
    item.mkdir(parents=True)
    (tmp_path / "analysis/results.json").write_text(json.dumps({"schema_version": 1, "items": []}))
    for name in ("result.json", "final_masks.pt"):
        (item / name).write_text("{}")
    return tmp_path / "analysis"


@pytest.mark.parametrize("path", ["analysis", "analysis/", "analysis/stepV0", "./analysis/stepV0/"])
def test_a_run_is_found_by_its_folder_and_by_that_of_an_item(run, path):
    found = find_finished(path)
    assert found is not None
    assert (found.kind, found.folder.resolve()) == ("run", run)


def test_the_working_directory_can_be_an_items_folder(run, monkeypatch):
    monkeypatch.chdir(run / "stepV0")
    found = find_finished(".")
    assert found is not None
    assert (found.kind, found.folder) == ("run", run)


def test_masks_alone_are_the_older_tools(tmp_path):
    assert find_finished(str(save_older(tmp_path / "old"))) == FinishedAnalysis(kind="older", folder=tmp_path / "old")


@pytest.mark.parametrize("path", ["", "missing", "analysis/results.json", "analysis/*", "a\0b", "package:x/*.gguf"])
def test_what_is_no_folder_is_no_analysis(run, path):
    assert find_finished(path) is None


@pytest.mark.parametrize("text", ["{}", "[]", "not JSON", '{"results": {"hellaswag": 0.3}}'])
def test_another_tools_results_json_leaves_a_folder_of_checkpoints(tmp_path, text):
    (tmp_path / "results.json").write_text(text)
    (tmp_path / "final_model_stepV0.pt").touch()
    assert find_finished(str(tmp_path)) is None


def test_a_run_among_checkpoints_is_ambiguous(run):
    for name in ("final_model_stepV10.pt", "final_model_stepV2.pt"):
        (run / name).touch()
    with pytest.raises(UsageError, match=r"checkpoints \(final_model_stepV2.pt\)\n  hint: --from-runs draws"):
        find_finished("analysis")
    assert find_finished("analysis", checkpoints_beside=True) is not None


def test_an_item_without_its_run_is_refused(run):
    os.remove(run / "results.json")
    with pytest.raises(UsageError, match=r"is an item of a run, whose results.json is not in 'analysis'"):
        find_finished("analysis/stepV0")
