"""Folders that appear whole and replace only their own kind."""

import pytest

from mechint.errors import UsageError
from mechint.training.folders import replaced_folder


def write_model(folder, text, then=lambda: None):
    with replaced_folder(folder) as made:
        (made / "config.json").write_text(text)
        then()


def test_a_folder_takes_the_place_of_an_older_one(tmp_path):
    write_model(tmp_path / "deep/model", "old")
    (tmp_path / "deep/model/left_over.bin").touch()
    write_model(tmp_path / "deep/model", "new")
    assert [path.name for path in (tmp_path / "deep").rglob("*")] == ["model", "config.json"]
    assert (tmp_path / "deep/model/config.json").read_text() == "new"


def test_a_folder_that_was_not_written_to_its_end_leaves_the_older_one(tmp_path):
    write_model(tmp_path / "model", "old")
    with pytest.raises(ZeroDivisionError):
        write_model(tmp_path / "model", "half", then=lambda: 1 / 0)
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "config.json"]
    assert (tmp_path / "model/config.json").read_text() == "old"


def test_a_link_keeps_leading_to_the_folder(tmp_path):
    write_model(tmp_path / "disk/model", "old")
    (tmp_path / "model").symlink_to(tmp_path / "disk/model")
    write_model(tmp_path / "model", "new")
    assert (tmp_path / "model").is_symlink()
    assert (tmp_path / "disk/model/config.json").read_text() == "new"


def test_an_empty_folder_may_be_there(tmp_path):
    (tmp_path / "model").mkdir()
    write_model(tmp_path / "model", "new")
    assert (tmp_path / "model/config.json").exists()


@pytest.mark.parametrize("stranger", ["model", "model/diary.txt"])
def test_what_is_no_model_is_not_replaced(tmp_path, stranger):
    (tmp_path / stranger).parent.mkdir(exist_ok=True)
    (tmp_path / stranger).write_text("dear diary")
    with pytest.raises(UsageError, match="not replaced by a model"):
        write_model(tmp_path / "model", "new")
    assert (tmp_path / stranger).read_text() == "dear diary"
