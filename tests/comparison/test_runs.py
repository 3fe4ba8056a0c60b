from dataclasses import replace

import pytest

from mechint.comparison.compare import compare
from mechint.comparison.runs import read_runs
from mechint.errors import UsageError
from tests.comparison.runs import made, write_run


def test_runs_are_named_by_what_tells_them_apart(tmp_path):
    for place in ("x/analysis", "y/analysis"):
        write_run(tmp_path / place, made("stepV0", 0))
    runs = read_runs([tmp_path / "y/analysis", tmp_path / "x/analysis"])
    assert [run.name for run in runs] == ["x/analysis", "y/analysis"]


def test_a_folder_that_is_given_twice_is_numbered(tmp_path):
    write_run(tmp_path / "a", made("stepV0", 0))
    assert [run.name for run in read_runs([tmp_path / "a", tmp_path / "a"])] == ["a#1", "a#2"]


def test_runs_are_in_natural_order(tmp_path):
    folders = [write_run(tmp_path / name, made("stepV0", 0)) for name in ("run10", "run2")]
    assert [run.name for run in read_runs(folders)] == ["run2", "run10"]


@pytest.mark.parametrize(("make", "why"), [(True, "it has no results.json"), (False, "there is no such folder")])
def test_a_folder_that_is_no_run_says_so(make, why, tmp_path):
    if make:
        (tmp_path / "a").mkdir()
    with pytest.raises(UsageError, match=f"a: is no run of mechint: {why}"):
        read_runs([tmp_path / "a"])


@pytest.mark.parametrize("name", ["final_masks.pt", "per_example.safetensors"])
def test_a_missing_file_is_named(name, tmp_path):
    folder = write_run(tmp_path / "a", made("stepV0", 0))
    (folder / "stepV0" / name).unlink()
    (run,) = read_runs([folder])
    with pytest.raises(UsageError, match=f"{name}: is not there, though results.json has the item"):
        (run.circuit if name.endswith("pt") else run.values)(run.report.items[0])


def test_values_that_lack_a_model_say_which(tmp_path):
    one = made("V0", 0)
    folder = write_run(tmp_path / "a", one, made("V1", 1))
    values = replace(one.values, values={name: seen for name, seen in one.values.values.items() if name != "full"})
    values.save(folder / "V0/per_example.safetensors")
    with pytest.raises(UsageError, match=r"per_example\.safetensors: lacks the values of full"):
        compare([folder])
