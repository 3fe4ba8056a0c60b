import functools
import pickle
import pickletools
import zipfile

import pytest
import safetensors.torch
import torch

from mechint.checkpoint.checkpoint import read_checkpoint, read_content
from mechint.checkpoint.folder import read_folder
from mechint.checkpoint.readers import find_replaced_reader
from mechint.errors import PluginError
from tests.hostile import folders


@functools.wraps(torch.load)
def loaded(*given, **named):
    raise AssertionError("it is not called")


READERS = [
    (torch, "load", "torch.load"),
    (torch.serialization, "load", "torch.serialization.load"),
    (pickle, "Unpickler", "pickle.Unpickler"),
    (pickletools, "genops", "pickletools.genops"),
    (zipfile, "ZipFile", "zipfile.ZipFile"),
    (zipfile.ZipFile, "open", "zipfile.ZipFile"),
]


@pytest.mark.parametrize("read", [read_checkpoint, read_content])
@pytest.mark.parametrize(("owner", "name", "reader"), READERS)
def test_no_file_of_torch_save_is_opened_with_a_reader_that_is_not_its_librarys_own(
    owner, name, reader, read, write, monkeypatch
):
    path = write({"weight": torch.ones(2)})
    monkeypatch.setattr(owner, name, loaded)
    with pytest.raises(PluginError, match=f"^{reader} is not [a-z]+'s own but {__name__}.loaded, so that"):
        read(path)


def test_where_it_comes_from_is_said_and_what_is_read_without_it(write, monkeypatch):
    path = write({"weight": torch.ones(2)})
    monkeypatch.setattr(torch, "load", loaded)
    with pytest.raises(
        PluginError, match=rf"hint: leave out the .* that puts {__name__}.loaded there, or .* safetensors"
    ):
        read_checkpoint(path)


def test_safetensors_are_read_without_it(write, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "load", loaded)
    assert list(read_checkpoint(write(safetensors.torch.save({"w": torch.ones(2)}))).weights) == ["w"]
    assert read_folder(str(folders.write_good(tmp_path / "model"))).checkpoint.weights


def test_arguments_of_ones_own_are_a_replacement_too(monkeypatch):
    monkeypatch.setattr(torch, "load", functools.partial(torch.load, weights_only=False))
    assert find_replaced_reader() == "torch.load is not torch's own but functools.partial"


def test_the_libraries_own_are_accepted():
    assert find_replaced_reader() == ""
