"""Which files and folders a pattern stands for, and what is said where it stands for none."""

import os

import pytest

from mechint.checkpoint.paths import find_files
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


def model(*parts):
    """A folder as Hugging Face's libraries save models."""
    return os.path.dirname(write(*parts, "config.json"))


FINAL = [f"output/final_model_stepV{n}.pt" for n in (0, 2, 10)]
BEST = [f"output/best_model_stepV{n}.pt" for n in (0, 2, 10)]


def test_a_file_stands_for_itself():
    assert find_files(FINAL[0]) == FINAL[:1]


@pytest.mark.parametrize(
    "pattern", ["output/final*.pt", "./output/final_model_step*.pt", "o*/f*[0-9].pt", "**/final*.pt"]
)
def test_a_glob_is_expanded_in_natural_order(pattern):
    assert find_files(pattern) == FINAL


def test_a_folder_stands_for_all_its_checkpoints():
    assert find_files("output") == BEST + FINAL


def test_a_folder_stands_for_weights_of_every_kind_and_no_other_files():
    for name in ("b.safetensors", "c.gguf", "a.pth", "notes.md", "optimizer.bin"):
        write("runs", name)
    assert find_files("runs") == ["runs/a.pth", "runs/b.safetensors", "runs/c.gguf"]


def test_a_folder_stands_for_the_models_that_a_trainer_left_in_it():
    model("trainer", "checkpoint-1000")
    model("trainer", "checkpoint-500")
    write("trainer", "logs", "events")
    assert find_files("trainer") == ["trainer/checkpoint-500", "trainer/checkpoint-1000"]


@pytest.mark.parametrize("path", ["llama", "llama/", "./llama"])
def test_a_folder_with_a_config_is_one_checkpoint(path):
    write(model("llama"), "model.safetensors")
    assert find_files(path) == [path.rstrip("/")]


def test_the_working_directory_is_called_by_its_name(monkeypatch, folder):
    monkeypatch.chdir(model("llama"))
    assert find_files(".") == [f"{folder}/llama"]


@pytest.mark.parametrize("pattern", ["trainer/checkpoint-*", "trainer/checkpoint-*/", "**/checkpoint-[0-9]*"])
def test_a_glob_matches_folders_with_a_config(pattern):
    model("trainer", "checkpoint-1000")
    model("trainer", "checkpoint-500")
    assert find_files(pattern) == ["trainer/checkpoint-500", "trainer/checkpoint-1000"]


def test_final_checkpoints_come_before_all_others_of_a_folder():
    model("output", "final_model_stepV1")
    os.mkdir("output/final_model_stepV3")
    assert find_files("output/", final_first=True) == [FINAL[0], "output/final_model_stepV1", *FINAL[1:]]


def test_final_checkpoints_are_weights_of_every_kind():
    names = [
        "final_model_stepV0.pt",
        "final_model_stepV1.safetensors",
        "final_model_stepV2.pth",
        "final_model_stepV3.gguf",
    ]
    for name in [*names, "final_model_stepV4.json", "best_model_stepV0.pt"]:
        write("runs", name)
    assert find_files("runs", final_first=True) == [f"runs/{name}" for name in names]


def test_a_folder_without_final_checkpoints_stands_for_all():
    assert find_files(os.path.dirname(write("runs", "b.pt")), final_first=True) == ["runs/b.pt"]


def test_an_existing_name_with_brackets_is_no_glob():
    assert find_files(write("runs[1]", "a.pt")) == ["runs[1]/a.pt"]


def test_home_is_expanded(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert find_files("~/output/final_model_stepV0.pt") == [f"{folder}/{FINAL[0]}"]


def test_a_loop_of_links_ends():
    os.symlink("..", "output/loop")
    assert find_files("**/final_model_stepV0.pt") == FINAL[:1]


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("output/final_model_step1.pt", "there is 'output/final_model_stepV"),
        ("ouput/final*.pt", "there is 'output'"),
        ("output/*.safetensors", "output has 'best_model_stepV0.pt'"),
        ("output/*.json/x", "no checkpoint matches"),
        ("*.safetensors", "; this folder has 'big.pt'"),
        ("nothing/", "; this folder has 'big.pt'"),
        ("output/nothing/", "no checkpoint matches"),
        ("/nowhere/at/all.pt", "no checkpoint matches '/nowhere/at/all.pt'"),
        (
            "EleutherAI/pythia-70m",
            "hint: for a model in the cache of the Hugging Face Hub write hf:EleutherAI/pythia-70m@",
        ),
    ],
)
def test_nothing_found_names_pattern_place_and_what_is_there(folder, pattern, says):
    (folder / "big.pt").touch()
    with pytest.raises(NothingCollected) as caught:
        find_files(pattern)
    assert says in str(caught.value)
    assert f"{pattern!r} in {folder}" in str(caught.value)


@pytest.mark.parametrize("pattern", ["ouput/a.pt", "output/missing", "missing*/x"])
def test_a_slip_in_a_path_is_not_taken_for_a_model_of_the_hub(pattern):
    with pytest.raises(NothingCollected) as caught:
        find_files(pattern)
    assert "Hub" not in str(caught.value)


def test_a_folder_without_checkpoints_is_nothing():
    os.mkdir("empty")
    with pytest.raises(NothingCollected, match=r"no checkpoint matches 'empty' in .*: the folder has no \*\.pt, "):
        find_files("empty", final_first=True)


@pytest.mark.parametrize("final_first", [True, False])
def test_a_finished_analysis_is_refused_by_name(final_first):
    write("analysis", "final_masks.pt")
    with pytest.raises(UsageError, match="'analysis' holds a finished analysis"):
        find_files("analysis", final_first=final_first)


@pytest.mark.parametrize("pattern", ["big/*.safetensors", "big/model-00001-of-00003.safetensors"])
def test_the_parts_of_a_model_are_no_checkpoints(pattern):
    for part in (1, 2, 3):
        write("big", f"model-0000{part}-of-00003.safetensors")
    model("big")
    with pytest.raises(UsageError, match="is one of the 3 parts of a model; name its folder: 'big'"):
        find_files(pattern)


def test_a_folder_of_parts_without_a_config_says_what_it_lacks():
    write("big", "model-00001-of-00002.safetensors")
    with pytest.raises(UsageError, match=r"put the model's config\.json beside its parts"):
        find_files("big")


def test_a_gguf_file_in_parts_must_be_joined():
    with pytest.raises(UsageError, match="join the parts into one file"):
        find_files(write("big", "model-00001-of-00002.gguf"))


def test_a_broken_link_is_refused():
    os.symlink("gone.pt", "output/z.pt")
    with pytest.raises(UsageError, match=r"'output/z.pt', which 'output/\*.pt' matches, is a broken link"):
        find_files("output/*.pt")


def test_a_pipe_is_refused():
    os.mkfifo("output/z.pt")
    with pytest.raises(UsageError, match="is a pipe, socket or device"):
        find_files("output")


@pytest.mark.parametrize(
    ("pattern", "says"),
    [("/dev/zero", "device"), ("*", "is a folder without a config.json"), ("", "no"), ("a\0", "not a path")],
)
def test_what_is_no_checkpoint_is_refused(pattern, says):
    with pytest.raises(UsageError, match=says):
        find_files(pattern)


def test_endless_trees_are_given_up(monkeypatch):
    monkeypatch.setattr("mechint.checkpoint.paths._MOST_ENTRIES", 5)
    with pytest.raises(UsageError, match="without an end"):
        find_files("**/*.pt")


def test_patterns_without_end_are_given_up():
    with pytest.raises(UsageError, match="too many folders"):
        find_files("**/" * 5000 + "*.pt")
