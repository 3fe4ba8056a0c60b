"""Which files a pattern stands for, and what is said where it stands for none."""

import os
import subprocess
import sys

import pytest

from mechint.checkpoint.discover import find_checkpoints, find_models
from mechint.errors import NothingCollected, UsageError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory with an ablation of three variants."""
    monkeypatch.chdir(tmp_path)
    names = [f"{kind}_model_step{step}.pt" for kind in ("best", "final") for step in ("V10", "V2", "V0")]
    for name in [*names, "training_metrics_stepV0.json", ".hidden.pt"]:
        write("output", name)
    return tmp_path


def write(*parts):
    path = os.path.join(*parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as stream:
        stream.write("weights")
    return path


FINAL = tuple(f"output/final_model_stepV{n}.pt" for n in (0, 2, 10))
BEST = tuple(f"output/best_model_stepV{n}.pt" for n in (0, 2, 10))


def test_a_file_stands_for_itself():
    assert find_checkpoints([FINAL[0]]) == FINAL[:1]


@pytest.mark.parametrize(
    "pattern", ["output/final*.pt", "./output/final_model_step*.pt", "o*/f*[0-9].pt", "**/final*.pt"]
)
def test_a_glob_is_expanded_in_natural_order(pattern):
    assert find_checkpoints([pattern]) == FINAL


def test_a_folder_stands_for_all_its_checkpoints():
    assert find_checkpoints(["output"]) == BEST + FINAL


def test_a_folder_of_models_stands_for_the_final_ones():
    assert find_models("output/") == FINAL


def test_a_folder_of_models_without_final_ones_stands_for_all():
    assert find_models(os.path.dirname(write("runs", "b.pt"))) == ("runs/b.pt",)


def test_patterns_keep_their_order_and_files_come_once():
    assert find_checkpoints([FINAL[2], "output/final*.pt", os.path.abspath(FINAL[0])]) == (FINAL[2], *FINAL[:2])


def test_a_link_and_its_target_are_one():
    os.symlink(os.path.abspath(FINAL[0]), "output/a.pt")
    assert find_checkpoints(["output/a.pt", FINAL[0]]) == ("output/a.pt",)


def test_an_existing_name_with_brackets_is_no_glob():
    assert find_checkpoints([write("runs[1]", "a.pt")]) == ("runs[1]/a.pt",)


def test_home_is_expanded(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert find_checkpoints(["~/output/final_model_stepV0.pt"]) == (f"{folder}/{FINAL[0]}",)


def test_a_loop_of_links_ends():
    os.symlink("..", "output/loop")
    assert find_checkpoints(["**/final_model_stepV0.pt"]) == FINAL[:1]


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("output/final_model_step1.pt", "there is 'output/final_model_stepV"),
        ("ouput/final*.pt", "there is 'output'"),
        ("output/*.safetensors", "output has 'best_model_stepV0.pt'"),
        ("output/*.json/x", "no checkpoint matches"),
        ("/nowhere/at/all.pt", "no checkpoint matches '/nowhere/at/all.pt'"),
    ],
)
def test_nothing_found_names_pattern_place_and_what_is_there(folder, pattern, says):
    with pytest.raises(NothingCollected) as caught:
        find_checkpoints([pattern])
    assert says in str(caught.value)
    assert f"{pattern!r} in {folder}" in str(caught.value)


def test_one_empty_pattern_among_others_is_an_error():
    with pytest.raises(NothingCollected, match=r"'none\*\.pt'"):
        find_checkpoints([FINAL[0], "none*.pt"])


def test_a_folder_without_checkpoints_is_nothing():
    os.mkdir("empty")
    with pytest.raises(NothingCollected, match="no checkpoint matches 'empty'"):
        find_models("empty")


@pytest.mark.parametrize("find", [find_models, lambda path: find_checkpoints([path])])
def test_a_finished_analysis_is_refused_by_name(find):
    write("analysis", "final_masks.pt")
    with pytest.raises(UsageError, match="'analysis' holds a finished analysis"):
        find("analysis")


def test_a_broken_link_is_refused():
    os.symlink("gone.pt", "output/z.pt")
    with pytest.raises(UsageError, match=r"'output/z.pt', which 'output/\*.pt' matches, is a broken link"):
        find_checkpoints(["output/*.pt"])


def test_a_pipe_is_refused():
    os.mkfifo("output/z.pt")
    with pytest.raises(UsageError, match="is a pipe, socket or device"):
        find_checkpoints(["output"])


@pytest.mark.parametrize(
    ("pattern", "says"), [("/dev/zero", "device"), ("*", "is a folder"), ("", "no"), ("a\0", "not a path")]
)
def test_what_is_no_file_is_refused(pattern, says):
    with pytest.raises(UsageError, match=says):
        find_checkpoints([pattern])


def test_endless_trees_are_given_up(monkeypatch):
    monkeypatch.setattr("mechint.checkpoint.discover._MOST_ENTRIES", 5)
    with pytest.raises(UsageError, match="without an end"):
        find_checkpoints(["**/*.pt"])


def test_patterns_without_end_are_given_up():
    with pytest.raises(UsageError, match="too many folders"):
        find_checkpoints(["**/" * 5000 + "*.pt"])


def test_too_many_files_are_refused(monkeypatch):
    monkeypatch.setattr("mechint.checkpoint.discover._MOST_FILES", 3)
    with pytest.raises(UsageError, match="matches more than 3 files"):
        find_checkpoints(["output/*.pt"])


def test_torch_is_not_imported():
    code = "import sys, mechint.checkpoint.discover; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=os.path.dirname(sys.prefix)).returncode == 0
