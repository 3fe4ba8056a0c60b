import os

import pytest

from mechint.engine.cache import Cache, copy_files
from mechint.engine.measured import Measured
from mechint.engine.stored import MEASURED, save_measured
from tests.engine.items import item_asserting
from tests.reports import make_item

KEY, OTHER = "ab" * 32, "cd" * 32


@pytest.fixture
def measured(tmp_path):
    """A folder with the two files of a measured item."""
    folder = tmp_path / "item"
    folder.mkdir()
    (folder / "final_masks.pt").write_bytes(b"masks")
    item = item_asserting("sparsity >= 0.5")
    save_measured(Measured(item=item, report=make_item(), folder=folder), KEY)
    return folder


@pytest.fixture
def cache(tmp_path):
    return Cache(root=tmp_path / "cache")


def add(cache, folder, key=KEY):
    cache.add(key, folder, ["final_masks.pt", MEASURED])


def test_an_entry_is_found_by_its_key(cache, measured):
    assert cache.find(KEY) is None
    add(cache, measured)
    assert (cache.find(KEY) / "final_masks.pt").read_bytes() == b"masks"
    assert cache.find(OTHER) is None


def test_an_entry_is_replaced_whole(cache, measured):
    add(cache, measured)
    (measured / "final_masks.pt").write_bytes(b"others")
    add(cache, measured)
    (entry,) = cache.entries()
    assert (entry.folder / "final_masks.pt").read_bytes() == b"others"
    assert not entry.damaged


def test_what_cannot_be_kept_whole_is_not_kept(cache, measured):
    with pytest.raises(OSError, match="missing"):
        cache.add(KEY, measured, ["final_masks.pt", "missing"])
    assert cache.find(KEY) is None
    assert [path for path in cache.root.rglob("*") if path.is_file()] == []


def test_files_are_copied_and_not_shared(cache, measured, tmp_path):
    add(cache, measured)
    copy_files(cache.find(KEY), tmp_path / "target")
    assert {path.name for path in (tmp_path / "target").iterdir()} == {"final_masks.pt", MEASURED}
    (tmp_path / "target/final_masks.pt").write_bytes(b"edited")
    assert not next(cache.entries()).damaged


def test_entries_say_what_they_are(cache, measured):
    add(cache, measured)
    (entry,) = cache.entries()
    assert entry.item == "specs/kv_ablation.yaml::stepV0-target_sparsity0.8"
    assert entry.size > 5
    assert entry.days < 1


def test_collecting_removes_what_is_damaged_or_old(cache, measured):
    for key in (KEY, OTHER, "ef" * 32):
        add(cache, measured, key)
    (cache.find(OTHER) / "final_masks.pt").write_bytes(b"bitten")
    os.utime(cache.find(KEY) / "DONE", (0, 0))
    assert cache.collect(days=30)[0] == 2
    assert cache.find("ef" * 32) is not None
    assert cache.collect(days=0)[0] == 1
    assert list(cache.entries()) == []


def test_touching_an_entry_makes_it_young(cache, measured):
    add(cache, measured)
    os.utime(cache.find(KEY) / "DONE", (0, 0))
    cache.touch(KEY)
    cache.touch(OTHER)
    assert next(cache.entries()).days < 1
