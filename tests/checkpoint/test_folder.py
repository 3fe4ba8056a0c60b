"""Hugging Face folders: all of their weights, or one clear error."""

import hashlib
import json
import os
from pathlib import Path

import pytest
import torch

from mechint.checkpoint.folder import read_folder
from mechint.subject.load import load_subject
from tests import hostile
from tests.hostile import folders, safetensors_files
from tests.subject.families import FAMILIES, open_family, save


@pytest.fixture
def folder(tmp_path):
    return folders.write_good(tmp_path / "model")


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def same(weights):
    expected = folders.weights()
    return weights.keys() == expected.keys() and all(torch.equal(weights[name], expected[name]) for name in expected)


def test_config_and_weights_are_read(folder):
    read = read_folder(str(folder))
    assert read.config == folders.CONFIG
    assert same(read.checkpoint.weights)
    assert (read.checkpoint.path, read.checkpoint.layout) == (str(folder), "safetensors")
    assert (dict(read.checkpoint.facts), read.checkpoint.step, read.checkpoint.best_val_loss) == ({}, None, None)


def test_the_hash_is_of_the_names_and_hashes_of_config_and_weights(folder):
    lines = f"config.json {digest(folder / 'config.json')}\nmodel.safetensors {digest(folder / 'model.safetensors')}\n"
    assert read_folder(str(folder)).checkpoint.sha256 == hashlib.sha256(lines.encode()).hexdigest()


def test_another_file_does_not_change_the_hash_and_another_config_does(folder):
    first = read_folder(str(folder)).checkpoint.sha256
    (folder / "README.md").write_text("a model")
    assert read_folder(str(folder)).checkpoint.sha256 == first
    (folder / "config.json").write_text(json.dumps({**folders.CONFIG, "n_layer": 3}))
    assert read_folder(str(folder)).checkpoint.sha256 != first


def test_shards_are_put_together(folder):
    folders.write_shards(folder)
    checkpoint = read_folder(str(folder)).checkpoint
    assert same(checkpoint.weights)
    names = ("config.json", *folders.SHARDS)
    lines = "".join(f"{name} {digest(folder / name)}\n" for name in names)
    assert checkpoint.sha256 == hashlib.sha256(lines.encode()).hexdigest()


def test_weights_of_torch_save_are_read(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(hostile.saved(folders.weights()))
    checkpoint = read_folder(str(folder)).checkpoint
    assert (same(checkpoint.weights), checkpoint.layout) == (True, "state_dict")


def test_shards_of_torch_save_are_put_together(folder):
    folders.write_shards(folder, as_bin=True)
    assert same(read_folder(str(folder)).checkpoint.weights)


def test_safetensors_go_before_torch_save(folder):
    (folder / "pytorch_model.bin").write_bytes(b"not looked at")
    assert read_folder(str(folder)).checkpoint.layout == "safetensors"


def test_prefixes_are_taken_off_in_shards_too(folder):
    folders.write_shards(folder)
    index = json.loads((folder / folders.INDEX).read_text())["weight_map"]
    state = {f"_orig_mod.{name}": weight for name, weight in folders.weights().items()}
    (folder / folders.SHARDS[0]).write_bytes(
        safetensors_files.of_tensors({n: w for n, w in state.items() if index[n[10:]] == folders.SHARDS[0]})
    )
    folders.write_index(folder, {f"_orig_mod.{name}": shard for name, shard in index.items()})
    assert same(read_folder(str(folder)).checkpoint.weights)


def test_links_as_in_the_cache_of_the_hub_are_followed(folder, tmp_path):
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    (snapshot / "config.json").symlink_to("../model/config.json")
    (snapshot / "model.safetensors").symlink_to("../model/model.safetensors")
    assert read_folder(str(snapshot)).checkpoint.sha256 == read_folder(str(folder)).checkpoint.sha256


def test_the_step_is_the_trainers(folder):
    (folder / "trainer_state.json").write_text('{"global_step": 500, "log_history": [{"grad_norm": NaN}]}')
    assert read_folder(str(folder)).checkpoint.step == 500


def test_without_a_trainers_state_the_step_is_in_the_folders_name(tmp_path):
    assert read_folder(f"{folders.write_good(tmp_path / 'checkpoint-250')}/").checkpoint.step == 250


@pytest.mark.parametrize("kind", folders.BAD)
def test_a_bad_folder_is_refused_with_its_fault(folder, canary, refusal, kind):
    spoil, says = folders.BAD[kind]
    spoil(folder, canary)
    assert says in refusal(read_folder, folder)


@pytest.mark.parametrize("kind", folders.BAD)
def test_no_bad_folder_becomes_a_subject(folder, canary, refusal, kind):
    folders.BAD[kind][0](folder, canary)
    refusal(load_subject, folder)


@pytest.mark.parametrize("kind", folders.HARMLESS)
def test_what_lies_beside_the_weights_is_not_opened(folder, canary, kind):
    folders.HARMLESS[kind](folder, canary)
    assert same(read_folder(str(folder)).checkpoint.weights)


@pytest.mark.parametrize("kind", folders.HARMLESS)
def test_nor_is_it_when_the_model_is_built(tmp_path, canary, kind):
    family = save(FAMILIES["llama"], tmp_path)
    folders.HARMLESS[kind](Path(family), canary)
    assert open_family(family).model.config.model_type == "llama"


@pytest.mark.parametrize("form", hostile.PAYLOADS)
def test_a_payload_in_pytorch_model_bin_is_not_run(folder, canary, refusal, form):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(hostile.with_pickle(hostile.PAYLOADS[form](canary)))
    refusal(read_folder, folder)


@pytest.mark.parametrize(("name", "says"), [("nowhere", "no such file"), ("file", "not a directory")])
def test_what_is_no_folder_is_refused(tmp_path, refusal, name, says):
    (tmp_path / "file").write_bytes(b"")
    assert f"cannot be listed: {says}" in refusal(read_folder, tmp_path / name)


def test_a_folder_of_very_many_files_is_refused(folder, refusal, monkeypatch):
    monkeypatch.setattr("mechint.checkpoint.files._MOST_ENTRIES", 1)
    assert "holds more than 1 files" in refusal(read_folder, folder)


def test_listing_needs_no_right_to_write(folder):
    os.chmod(folder, 0o500)
    assert same(read_folder(str(folder)).checkpoint.weights)
