"""Plugins that may not be loaded."""

import pytest

from mechint.cli.ask import load_plugins
from mechint.engine.lock import write_lock
from mechint.engine.plugins import list_plugins
from mechint.engine.turned_off import NO_AUTOLOAD, turned_off
from mechint.errors import UsageError

ENTRY = "[mechint]\nguest = guest_of_tests\n"


@pytest.fixture
def guest(tmp_path, monkeypatch):
    """A package that is installed and gives the plugin ``guest``; its folder of metadata."""
    folder = tmp_path / "site/guest-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(ENTRY)
    (folder / "RECORD").write_text("guest_of_tests.py,sha256=abc,3\n")
    (tmp_path / "site/guest_of_tests.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(NO_AUTOLOAD, raising=False)
    return folder


def test_nothing_is_turned_off_unasked(guest):
    assert turned_off(list_plugins(), ()) == {}
    assert load_plugins(("guest",)).loaded("guest")


def test_a_plugin_is_turned_off_by_name(guest):
    plugins = load_plugins(("html", "no:html"))
    assert not plugins.loaded("html")
    with pytest.raises(UsageError, match=r"plugin 'html' of mechint .* is not loaded: -p no:html turns it off"):
        plugins.load("html")
    with pytest.raises(UsageError, match="no plugin is named 'htlm'; did you mean 'html'"):
        load_plugins(("no:htlm",))


def test_without_autoloading_a_package_is_loaded_where_the_command_line_names_it(guest, monkeypatch):
    monkeypatch.setenv(NO_AUTOLOAD, "1")
    with pytest.raises(UsageError, match=f"(?s)'guest' of guest 1.0 is not loaded: {NO_AUTOLOAD} is set.*-p guest"):
        load_plugins(()).load("guest")
    assert load_plugins(("guest",)).loaded("guest")
    assert load_plugins(()).load("kv_circuit")


def test_what_is_locked_is_loaded(guest):
    assert write_lock(list_plugins()) == ["guest"]
    assert load_plugins(("guest",)).loaded("guest")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        (
            "METADATA",
            "Metadata-Version: 2.1\nName: guest\nVersion: 1.1\n",
            "its version is 1.1, and plugins.lock has 1.0",
        ),
        ("RECORD", "guest_of_tests.py,sha256=def,3\n", "its record_sha256 is"),
        ("entry_points.txt", ENTRY.replace("guest =", "other ="), "plugins.lock does not have it"),
    ],
)
def test_what_is_not_as_it_was_locked_is_not_loaded(guest, name, text, why):
    write_lock(list_plugins())
    (guest / name).write_text(text)
    (found,) = [plugin.name for plugin in list_plugins().values() if plugin.distribution == "guest"]
    with pytest.raises(UsageError, match=f"is not loaded: {why}"):
        load_plugins((found,))
    assert load_plugins(()).load("kv_circuit")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"lock_version": 2, "plugins": {}}', '{"lock_version": 1}'])
def test_a_damaged_lock_is_refused(guest, text, tmp_path):
    (tmp_path / "plugins.lock").write_text(text)
    with pytest.raises(UsageError, match=r"plugins\.lock"):
        load_plugins(())
