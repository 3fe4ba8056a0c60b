"""Which specs a command line names."""

import pytest

from mechint.errors import NothingCollected
from mechint.spec.find import find_specs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("specs/b10.yaml", "specs/b9.yml", "specs/a/c.yaml", "specs/notes.md", "specs/.git/x.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_folder_stands_for_the_specs_below_it_in_natural_order(folder):
    assert find_specs(["specs"]) == ["specs/a/c.yaml", "specs/b9.yml", "specs/b10.yaml"]


def test_a_file_stands_for_itself_even_if_it_is_missing(folder):
    assert find_specs(["specs/notes.md", "missing.yaml"]) == ["specs/notes.md", "missing.yaml"]


def test_a_spec_named_twice_is_run_once(folder):
    assert find_specs(["specs/b9.yml", "specs"]) == ["specs/b9.yml", "specs/a/c.yaml", "specs/b10.yaml"]


def test_a_folder_without_a_spec_collects_nothing(folder):
    (folder / "empty").mkdir()
    with pytest.raises(NothingCollected, match="no spec is in the folder 'empty'"):
        find_specs(["empty"])
