import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from mechint.errors import WriteError
from mechint.files import (
    atomic_write,
    cache_folder,
    read_bounded,
    refuse_unusual,
    sha256_of,
    sweep_leftovers,
    write_tensors,
    write_text,
)


def test_a_file_is_replaced_whole(tmp_path):
    write_text(tmp_path / "a.txt", "first and longer")
    write_text(tmp_path / "a.txt", "second")
    assert (tmp_path / "a.txt").read_text() == "second"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(TypeError), atomic_write(tmp_path / "a.txt") as stream:
        stream.writelines([b"half", None])
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"a.txt": "old"}


def test_tensors_of_the_same_facts_are_the_same_bytes(tmp_path):
    facts = {name: name.upper() for name in "hgfedcba"}
    tensors = {"x": np.arange(6.0).reshape(2, 3).T, "y": np.zeros((0, 2), np.float32), "z": np.float64(7).reshape(())}
    write_tensors(tmp_path / "a", tensors, facts)
    write_tensors(tmp_path / "b", tensors, dict(reversed(facts.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with safe_open(tmp_path / "a", framework="np") as file:
        assert file.metadata() == facts
        read = {name: file.get_tensor(name).tolist() for name in tensors}
    assert read == {"x": [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]], "y": [], "z": 7.0}


def test_results_can_be_read_by_those_who_may_read_the_folder(tmp_path):
    (tmp_path / "plain").touch()
    write_text(tmp_path / "a.txt", "x")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "a.txt")]
    assert modes[0] == modes[1]


def test_folders_on_the_way_are_made(tmp_path):
    write_text(tmp_path / "b/c/d.txt", "x")
    assert (tmp_path / "b/c/d.txt").exists()


def test_the_hash_is_that_of_the_bytes(tmp_path):
    """The published SHA-256 of the three bytes abc."""
    write_text(tmp_path / "a", "abc")
    assert sha256_of(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_a_file_may_have_all_of_its_bound(tmp_path):
    write_text(tmp_path / "a", "12345")
    assert read_bounded(tmp_path / "a", 5) == b"12345"


@pytest.mark.parametrize("read", [read_bounded, refuse_unusual])
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a", "more than 4 bytes"),
        ("pipe", "not a regular file"),
        ("\0", "no path"),
        ("gone", "No such"),
        (".", "not a regular file"),
    ],
)
def test_what_is_no_small_file_is_refused_at_once(tmp_path, read, name, says):
    write_text(tmp_path / "a", "12345")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=says):
        read(tmp_path / name, 4)


def test_a_file_that_cannot_be_written_is_an_error_with_its_reason(tmp_path):
    write_text(tmp_path / "a", "old")
    with pytest.raises(WriteError, match=r"a/b\.txt: cannot be written: not a directory\n  hint: choose another path"):
        write_text(tmp_path / "a/b.txt", "x")


def test_a_full_disk_is_one_too_and_the_old_file_stays(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    write_text(tmp_path / "a", "old")
    monkeypatch.setattr("mechint.files.os.fsync", full)
    with pytest.raises(WriteError, match="a: cannot be written: no space left on device\n  hint: make room"):
        write_text(tmp_path / "a", "new")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"a": "old"}


BOUNDED = """
import resource
from pathlib import Path
from mechint.files import write_text
resource.setrlimit(resource.RLIMIT_FSIZE, (4, 4))
write_text(Path("a"), "longer")
"""


def test_a_file_that_grows_beyond_what_the_system_allows_is_one_too(tmp_path):
    write_text(tmp_path / "a", "old")
    ran = subprocess.run([sys.executable, "-c", BOUNDED], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "WriteError: a: cannot be written: file too large\n  hint: make room" in ran.stderr
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"a": "old"}


def test_a_name_that_is_too_long_is_one_too(tmp_path):
    with pytest.raises(WriteError, match="x: cannot be written: file name too long"):
        write_text(tmp_path / ("x" * 300), "new")


def test_no_file_takes_the_place_of_a_device(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/no_such_device"), Path("/dev/stdout")):
        with pytest.raises(WriteError, match=f"{path}: cannot be written: is not a regular file"):
            write_text(path, "new")
    assert [stat.S_ISFIFO(path.lstat().st_mode) for path in tmp_path.iterdir()] == [True]


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path):
    with atomic_write(tmp_path / "b.txt"):
        (leftover,) = tmp_path.iterdir()
    leftover.touch()
    (tmp_path / ".env.template").touch()
    (tmp_path / ".a.partial").mkdir()
    sweep_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"b.txt", ".env.template", ".a.partial"}


def test_the_cache_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("MECHINT_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("MECHINT_CACHE_DIR")
    assert cache_folder().name == "mechint"
