"""One handle for everything: what cannot be opened, is no file, or changes."""

import errno
import hashlib
import io
import os
from pathlib import Path

import pytest
import safetensors.torch
import torch

from mechint.checkpoint import opened
from mechint.checkpoint.checkpoint import read_checkpoint
from mechint.checkpoint.opened import open_unchanged, read_small
from mechint.errors import CheckpointError
from tests import hostile
from tests.hostile import checkpoint_of


def test_the_head_and_the_hash_leave_the_stream_at_the_start(write):
    content = bytes(range(256)) * 5
    with open_unchanged(write(content)) as file:
        assert (file.size, file.head) == (1280, content[:512])
        assert file.sha256() == hashlib.sha256(content).hexdigest()
        assert file.stream.read() == content


def test_a_fifo_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    with pytest.raises(CheckpointError, match="not a regular file"):
        read_small(str(tmp_path / "pipe.pt"), 10)


@pytest.mark.parametrize(("path", "says"), [("/nowhere/a.pt", "no such file"), (".", "regular"), ("a\0b", "null")])
def test_what_cannot_be_opened_is_refused(path, says):
    with pytest.raises(CheckpointError, match=says):
        read_small(path, 10)


def test_a_file_that_grows_while_it_is_read_is_refused(write):
    path = write(b"weights")
    with pytest.raises(CheckpointError, match="changed while it was being read"), open_unchanged(path):
        Path(path).write_bytes(b"more weights")


def test_a_file_that_is_put_in_the_place_of_an_open_one_is_not_read(write):
    path = write(b"weights")
    with open_unchanged(path) as file:
        Path(path).unlink()
        Path(path).write_bytes(b"others!")
        assert file.stream.read() == b"weights"


class Remote(io.FileIO):
    """A file on a server that goes away after some reads."""

    left = 10_000

    def readinto(self, buffer):
        Remote.left -= 1
        if Remote.left < 0:
            raise OSError(errno.ESTALE, "Stale file handle")
        return super().readinto(buffer)


@pytest.mark.parametrize("kind", ["archive", "safetensors"])
def test_a_file_whose_server_goes_away_is_one_error_whenever_it_goes(write, monkeypatch, kind):
    path = write(
        hostile.saved(checkpoint_of()) if kind == "archive" else safetensors.torch.save({"w": torch.ones(9999)})
    )
    monkeypatch.setattr(opened, "_Raw", type("_Raw", (opened._Raw, Remote), {}))
    monkeypatch.setattr(Remote, "left", 10_000)
    read_checkpoint(path)
    needed = 10_000 - Remote.left
    assert needed > 1
    for reads in range(needed):
        Remote.left = reads
        with pytest.raises(CheckpointError, match=rf"^{path}: cannot be read: stale file handle$"):
            read_checkpoint(path)


@pytest.mark.parametrize("call", ["open", "fstat"])
@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ESTALE, r"cannot be (opened|read): stale file handle"),
        (errno.EMFILE, r"too many open files\n  hint: .*ulimit -n"),
    ],
)
def test_so_is_one_that_is_refused_before_it_is_read(write, monkeypatch, call, number, said):
    path = write(b"weights")

    def refused(*given):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as context:
        context.setattr(os, call, refused)
        with pytest.raises(CheckpointError, match=f"(?i){said}"):
            read_small(path, 10)


def test_what_the_system_refuses_of_another_file_is_not_laid_at_its_door(write, tmp_path):
    with pytest.raises(IsADirectoryError), open_unchanged(write(b"weights")):
        tmp_path.read_bytes()


def test_a_huge_file_is_refused_by_its_size(tmp_path):
    path = tmp_path / "huge.pt"
    with path.open("wb") as stream:
        stream.truncate(33 << 30)  # sparse: it takes no room
    with pytest.raises(CheckpointError, match="without the optimizer"), open_unchanged(str(path)):
        pass


def test_a_small_file_may_have_all_of_its_limit_and_no_more(write):
    assert read_small(write(b"12345"), 5) == b"12345"
    with pytest.raises(CheckpointError, match="has 6 bytes, and 5 is the most that is read"):
        read_small(write(b"123456"), 5)
