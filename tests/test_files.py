import stat

import pytest

from mechint.files import atomic_write, sha256_of, write_text


def test_a_file_is_replaced_whole(tmp_path):
    write_text(tmp_path / "a.txt", "first and longer")
    write_text(tmp_path / "a.txt", "second")
    assert (tmp_path / "a.txt").read_text() == "second"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(TypeError), atomic_write(tmp_path / "a.txt") as stream:
        stream.writelines([b"half", None])
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"a.txt": "old"}


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
