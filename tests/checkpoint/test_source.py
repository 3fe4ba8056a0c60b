"""What lies at a checkpoint's place is what the spec says it is."""

import hashlib

import pytest
import torch

from mechint.checkpoint.discover import find_models
from mechint.checkpoint.source import read_source
from mechint.errors import CheckpointError
from mechint.spec.checkpoints import Reference, Source
from tests import hostile
from tests.hostile import folders


def test_the_pinned_checkpoint_is_read(write):
    content = hostile.good()
    source = Source.at(write(content), sha256=hashlib.sha256(content).hexdigest())
    assert read_source(source).checkpoint.sha256 == source.reference.sha256


def test_another_is_refused_with_both_hashes(write):
    pinned = hashlib.sha256(hostile.good()).hexdigest()
    other = hostile.with_weights(wpe=torch.ones(6, 8))
    with pytest.raises(CheckpointError, match=f"has the sha256 {hashlib.sha256(other).hexdigest()}, .* {pinned}"):
        read_source(Source.at(write(other), sha256=pinned))


def test_a_folder_is_pinned_too(tmp_path):
    folder = str(folders.write_good(tmp_path / "model"))
    with pytest.raises(CheckpointError, match="and the spec states 0000"):
        read_source(Source.at(folder, sha256="0" * 64))


def test_a_pin_does_not_hold_for_models_that_take_the_checkpoints_place(write):
    path = write(hostile.good())
    (source,) = find_models(path, [Reference(path="elsewhere.pt", sha256="0" * 64, n_head=2)])
    assert (source.reference.sha256, source.reference.n_head) == (None, 2)
