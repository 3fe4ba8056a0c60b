import shutil
from dataclasses import replace

import pytest

from mechint.engine.cache import Cache
from mechint.engine.item import PARTS, seal_item
from mechint.engine.job import Job
from mechint.engine.known import Known
from mechint.engine.measured import Measured
from mechint.engine.stored import MEASURED, save_measured
from tests.engine.items import item_asserting
from tests.reports import make_item

KEY = "ab" * 32


class Keys:
    """Has one key for everything."""

    def __init__(self, key=KEY):
        self.key = key

    def of(self, item):
        return self.key

    def checkpoint(self, item):
        return None


@pytest.fixture
def item():
    return item_asserting("faithfulness >= 0.5")


@pytest.fixture
def folder(tmp_path, item):
    """The complete folder of the item, as it was measured."""
    folder = tmp_path / item.id
    (folder / PARTS).mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("{}\n")
    report = make_item(item.id, artifacts=("metrics.jsonl", MEASURED))
    save_measured(Measured(item=item, report=report, folder=folder), KEY)
    seal_item(report, folder)
    return folder


def known(cache=None, key=KEY, *, force=False):
    return Known(keys=Keys(key), cache=cache, force=force)


def test_a_complete_folder_of_the_key_is_taken(item, folder):
    found = known().find(item, folder)
    assert found.report.cached
    assert found.report.measures["faithfulness"] == 0.8831
    assert not (folder / PARTS).exists()


@pytest.mark.parametrize(("key", "force"), [("cd" * 32, False), (None, False), (KEY, True)])
def test_another_key_none_and_force_are_jobs(item, folder, key, force):
    found = known(key=key, force=force).find(item, folder)
    assert (type(found), found.key) == (Job, key)


def test_a_folder_that_is_not_complete_is_a_job(item, folder):
    (folder / "DONE").unlink()
    finder = known()
    assert isinstance(finder.find(item, folder), Job)
    assert finder.notes == {}


@pytest.mark.parametrize("name", ["metrics.jsonl", MEASURED])
def test_damage_is_noted(item, folder, name):
    (folder / name).write_bytes(b"?")
    finder = known()
    assert isinstance(finder.find(item, folder), Job)
    assert name in finder.notes[item.id]


def test_pages_of_another_run_do_not_matter(item, folder):
    (folder / "result.json").write_text("{}")
    seal_item(make_item(item.id), folder)
    (folder / "result.json").write_text("edited")
    assert isinstance(known().find(item, folder), Measured)


def test_what_was_measured_is_found_in_another_folder(item, folder, tmp_path):
    cache = Cache(root=tmp_path / "cache")
    measured = known().find(item, folder)
    known(cache).keep(Job(item=item, folder=folder, key=KEY), measured)
    found = known(cache).find(item, tmp_path / "elsewhere")
    assert isinstance(found, Measured)
    assert {path.name for path in (tmp_path / "elsewhere").iterdir()} == {"metrics.jsonl", MEASURED}


def test_under_another_name_its_figures_are_a_job(item, folder, tmp_path):
    cache = Cache(root=tmp_path / "cache")
    known(cache).keep(Job(item=item, folder=folder, key=KEY), known().find(item, folder))
    found = known(cache).find(replace(item, id="other"), tmp_path / "other")
    assert (found.drawn, found.folder) == (True, tmp_path / "other")
    assert {path.name for path in found.folder.iterdir()} == {"metrics.jsonl", MEASURED}


@pytest.mark.parametrize("name", ["", "other"])
def test_an_entry_that_vanishes_while_it_is_copied_is_measured_again(item, folder, tmp_path, monkeypatch, name):
    cache = Cache(root=tmp_path / "cache")
    known(cache).keep(Job(item=item, folder=folder, key=KEY), known().find(item, folder))
    monkeypatch.setattr("mechint.engine.known.clear_folder", lambda _: shutil.rmtree(cache.root))
    found = known(cache).find(replace(item, id=name or item.id), tmp_path / "elsewhere")
    assert (isinstance(found, Job), found.drawn) == (True, False)


def test_a_cache_that_cannot_be_written_to_is_said(item, folder, tmp_path):
    (tmp_path / "file").touch()
    finder = known(Cache(root=tmp_path / "file"))
    finder.keep(Job(item=item, folder=folder, key=KEY), known().find(item, folder))
    assert "file: nothing can be kept there" in finder.trouble


def test_an_unknown_effect_is_an_error_of_the_item(item, folder):
    found = known().find(item_asserting("mlp_out.4@last >= 0"), folder)
    assert found.report.error.kind == "ItemError"
