"""One handle for everything: what cannot be opened, is no file, or changes."""

import hashlib
import os
from pathlib import Path

import pytest

from mechint.checkpoint.opened import open_unchanged, read_small
from mechint.errors import CheckpointError


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
