import importlib.metadata
import io
import re
import sys
import threading
from collections.abc import Sequence
from types import ModuleType

import pytest

from mechint import __version__, hookimpl
from mechint.engine import plugins as plugins_module
from mechint.engine.collect import catalog_of
from mechint.engine.plugins import Listed, Plugins, list_plugins
from mechint.errors import PluginError


def listed(name: str, module: str, requires: Sequence[str] = ()) -> Listed:
    return Listed(name=name, distribution="somewhere", version="1.2", module=module, summary="", requires=requires)


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load a plugin from its source."""
    monkeypatch.syspath_prepend(tmp_path)

    def load_source(source: str, name: str = "guest", requires: Sequence[str] = ()) -> Plugins:
        (tmp_path / f"{name}_module.py").write_text("from mechint import hookimpl\n" + source)
        plugins = Plugins({name: listed(name, f"{name}_module", requires)})
        plugins.load(name)
        return plugins

    yield load_source
    for name in [name for name in sys.modules if name.endswith("_module")]:
        del sys.modules[name]


def distribution(name: str, tmp_path, entry: str, more: str = "") -> importlib.metadata.Distribution:
    folder = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nSummary: One of two.\n{more}")
    (folder / "entry_points.txt").write_text(f"[mechint]\n{entry}\n")
    return importlib.metadata.Distribution.at(folder)


def test_what_ships_here_goes_by_its_file_name():
    assert {"kv_circuit", "tokens", "metrics", "terminal", "markdown"} <= set(list_plugins())


def test_two_plugins_of_one_name_name_both_distributions(tmp_path, monkeypatch):
    for name in ("first-dist", "second-dist"):
        distribution(name, tmp_path, f"probe = {name.replace('-', '_')}")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match=r"named 'probe': one from (first|second)-dist 1\.0.*, one from"):
        list_plugins()


def test_a_plugin_may_not_take_a_name_that_ships_here(tmp_path, monkeypatch):
    distribution("usurper", tmp_path, "kv_circuit = usurper")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match=r"'kv_circuit': one from mechint .*, one from usurper 1\.0"):
        list_plugins()


@pytest.mark.parametrize(
    ("requirement", "needed"),
    [
        ("mechint>=9,<10", "mechint<10,>=9"),
        ("Mechint>=9", "Mechint>=9"),
        ('mechint>=9; python_version >= "3"', 'mechint>=9; python_version >= "3"'),
        ("mechint>=9.0.*", "mechint>=9.0.*"),
    ],
)
def test_a_plugin_for_another_version_of_mechint_says_so(requirement, needed, tmp_path, monkeypatch):
    distribution("early", tmp_path, "early = early", f"Requires-Dist: torch>=2\nRequires-Dist: {requirement}\n")
    monkeypatch.syspath_prepend(tmp_path)
    message = rf"plugin 'early' of early 1\.0 needs {re.escape(needed)}, and this is mechint {__version__}\n"
    with pytest.raises(PluginError, match=message):
        Plugins(list_plugins()).load("early")


@pytest.mark.parametrize(
    "requirement",
    ['mechint>=9; extra == "next"', 'mechint>=9; python_version < "3"', "mechint-more>=9", "other>=1.0.*"],
)
def test_what_is_not_asked_of_this_mechint_keeps_no_plugin_out(requirement, load):
    assert load("", requires=(requirement,)).loaded("guest")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import nowhere_to_be_found", "cannot be imported: ModuleNotFoundError"),
        ("raise SystemExit(0)", "cannot be imported: SystemExit"),
        ("raise BaseException('no')", "cannot be imported: BaseException: no"),
        ("def broken(:", "cannot be imported: SyntaxError"),
        ("@hookimpl\ndef mechint_analyse(): ...", "unknown hook 'mechint_analyse'"),
        ("@hookimpl\ndef mechint_analyze(subject, tsak): ...", "tsak"),
    ],
)
def test_a_plugin_that_cannot_be_used_says_why(load, source, message):
    with pytest.raises(PluginError, match=message):
        load(source)


def test_what_a_plugin_prints_as_it_is_imported_is_no_part_of_the_output(load, capsys):
    load("print('hello')")
    assert capsys.readouterr() == ("", "hello\n")


class Heard(io.StringIO):
    """Standard error, on which a plugin can wait for a line."""

    def __init__(self):
        super().__init__()
        self.told = threading.Event()

    def write(self, text):
        written = super().write(text)
        self.told.set()
        return written


def test_a_plugin_whose_import_takes_long_is_named_and_waited_for(load, monkeypatch):
    monkeypatch.setattr(plugins_module, "SECONDS_UNTOLD", 0.0)
    monkeypatch.setattr(sys, "stderr", Heard())
    plugins = load("import sys\nassert sys.stderr.told.wait(600)")
    assert sys.stderr.getvalue() == "plugin 'guest' of somewhere 1.2 is still being imported\n"
    assert plugins.loaded("guest")


def test_an_interrupt_ends_an_import(load):
    with pytest.raises(KeyboardInterrupt):
        load("raise KeyboardInterrupt")


def test_a_hook_is_asked_of_one_plugin_only(load, monkeypatch):
    plugins = load("@hookimpl\ndef mechint_options(): return 'guest'")
    other = ModuleType("other")
    other.mechint_options = hookimpl(lambda: "other")
    plugins.add(other)
    assert plugins.ask("guest", "mechint_options") == "guest"


def test_wrappers_of_other_plugins_still_apply(load):
    plugins = load("@hookimpl\ndef mechint_options(): return 'guest'")

    class Loud:
        @hookimpl(wrapper=True)
        def mechint_options(self):
            result = yield
            return result.upper()

    plugins.add(Loud())
    assert plugins.ask("guest", "mechint_options") == "GUEST"


def test_an_observer_that_raises_silences_no_other(load):
    plugins, seen = load(""), []

    class Broken:
        @hookimpl
        def mechint_item_started(self, item):
            raise ValueError("no")

    class Sound:
        @hookimpl
        def mechint_item_started(self, item):
            seen.append(item)

    for observer in (Sound(), Broken(), Sound()):
        plugins.add(observer)
    raised = plugins.notify("mechint_item_started", item=7)
    assert seen == [7, 7]
    assert [str(error) for _, error in raised] == ["no"]


def test_an_observer_that_changes_what_it_is_given_changes_it_for_no_other(load):
    plugins, seen = load(""), []

    class Forger:
        @hookimpl
        def mechint_item_started(self, item):
            item["cell"].clear()

    class Sound:
        @hookimpl
        def mechint_item_started(self, item):
            seen.append(item)

    given = {"cell": {"seed": 1}}
    for observer in (Sound(), Forger(), Sound()):
        plugins.add(observer)
    assert plugins.notify("mechint_item_started", item=given) == []
    assert seen == [given, given] == [{"cell": {"seed": 1}}] * 2


def test_where_nobody_observes_nothing_is_copied(load):
    assert load("").notify("mechint_item_started", item=lambda: "beyond copying") == []


def test_a_hook_that_exits_ends_no_program(load):
    plugins = load("@hookimpl\ndef mechint_item_started(item): raise SystemExit(0)")
    ((name, error),) = plugins.notify("mechint_item_started", item=7)
    assert (name, str(error)) == ("guest", "plugin 'guest' called sys.exit(0) in mechint_item_started")


def test_an_implementation_may_leave_arguments_out(load):
    plugins = load("@hookimpl\ndef mechint_analyze(subject, seed): return subject + seed")
    assert plugins.accepts("guest", "mechint_analyze", "seed")
    assert not plugins.accepts("guest", "mechint_analyze", "schedules")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def mechint_options(): return 3", "plugin 'guest' returned 3 from mechint_options"),
        ("def mechint_metrics(): return 3", "plugin 'guest' returned 3 from mechint_metrics"),
        (
            "def mechint_metrics(): return [3]",
            r"plugin 'guest' returned \[3\] from mechint_metrics; expected a sequence",
        ),
    ],
)
def test_what_a_plugin_returns_must_be_what_was_asked_for(load, source, message):
    plugins = load(f"@hookimpl\n{source}\n@hookimpl\ndef mechint_analyze(): ...")
    with pytest.raises(PluginError, match=message):
        catalog_of(plugins)
