"""What a checkpoint is read from, told without loading it."""

import pytest

from mechint.checkpoint.checkpoint import read_checkpoint
from mechint.checkpoint.files import hash_files, hash_weights
from mechint.checkpoint.folder import read_folder
from mechint.errors import CheckpointError
from tests import hostile
from tests.hostile import checkpoint_of, folders


@pytest.fixture
def folder(tmp_path):
    return folders.write_good(tmp_path / "model")


def hash_of(folder):
    return hash_files(str(folder), hash_weights(str(folder)))


@pytest.mark.parametrize("shards", [False, True])
def test_the_hash_of_a_folders_weights_is_that_of_the_checkpoint(folder, shards):
    if shards:
        folders.write_shards(folder)
    assert hash_weights(str(folder)) == read_folder(str(folder)).checkpoint.sha256


def test_so_is_that_of_a_file(write):
    path = write(hostile.saved(checkpoint_of()))
    assert hash_weights(path) == read_checkpoint(path).sha256


@pytest.mark.parametrize("name", ["tokenizer.json", "added_tokens.json", "trainer_state.json", "model.safetensors"])
def test_every_file_that_is_read_counts(folder, name):
    before = hash_of(folder)
    (folder / name).write_text("{}")
    assert hash_of(folder) != before


@pytest.mark.parametrize("name", ["training.log", "pytorch_model.bin", "analysis/config.json"])
def test_no_other_does(folder, name):
    before = hash_of(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}")
    assert hash_of(folder) == before


def test_a_folder_without_a_model_has_none(folder):
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config.json: cannot be opened"):
        hash_weights(str(folder))
