"""Installed plugins that do what they should not, in runs as users start them."""

import json
import os
import signal
import subprocess
import sys

import pytest

from mechint.engine import hookspecs
from tests.acceptance.conftest import SPEC
from tests.installed import install
from tests.processes import PATIENCE, started

HEAD = "from mechint import hookimpl\n"
LIKE = """\
from mechint import hookimpl
from mechint.plugins import {parent}

class Options({parent}.Options):
    words: list[str] = ["a"]

@hookimpl
def mechint_options():
    return Options

@hookimpl
def {hook}({arguments}):
    assert options.words == ["a"], options.words
    options.words.append("b")
    return {parent}.{hook}({arguments})

@hookimpl
def mechint_figures(report):
    report.method.clear()
    return []
"""
ANALYZE = "subject, task, ablation, options, schedules, seed, journal"
SOURCES = {
    "beside": HEAD,
    "method": LIKE.format(parent="kv_circuit", hook="mechint_analyze", arguments=ANALYZE),
    "task": LIKE.format(parent="tokens", hook="mechint_task", arguments="subject, options, metric"),
}
"""Of a plugin that does nothing, and of two that do as those that they are like, and change what they are given."""
NAMED = {"beside": ("", ""), "method": ("name: kv_circuit", "name: guest"), "task": ("name: tokens", "name: guest")}
FOR_SPECS = {"mechint_options": "method", "mechint_metrics": "beside"}
FOR_ITEMS = {
    "mechint_analyze": "method",
    "mechint_architectures": "beside",
    "mechint_figures": "method",
    "mechint_task": "task",
}
FOR_OBSERVERS = sorted({*hookspecs.OBSERVING} - {"mechint_redraw_started"})
ENDS = [("raise ValueError('no ink')", "ValueError: no ink"), ("raise SystemExit(0)", "'guest' called sys.exit(0) in")]


@pytest.fixture
def guest(workspace):
    """Installs a plugin ``guest`` and writes a spec of one item a checkpoint that names it as its method or task."""

    def write(source, place="beside"):
        install(workspace.folder / "site", "guest", source)
        workspace.monkeypatch.syspath_prepend(workspace.folder / "site")
        spec = SPEC.replace("[0.5, 0.75]", "[0.5]")
        workspace.write("spec.yaml", spec.replace(*NAMED[place]))

    yield write
    sys.modules.pop("mechint_guest", None)


def answering(hook, body, place="beside"):
    return f"{SOURCES[place]}\n@hookimpl\ndef {hook}():\n    {body}\n"


def run_one(workspace):
    return workspace.run("spec.yaml", "-p", "guest", "--models", "output/*V0.pt")


def test_the_hooks_here_are_all_that_a_run_calls():
    named = {name for name in vars(hookspecs) if name.startswith("mechint_")}
    assert {*FOR_SPECS, *FOR_ITEMS, *FOR_OBSERVERS} == named - {"mechint_redraw_started"}


@pytest.mark.parametrize(("body", "said"), ENDS)
@pytest.mark.parametrize(("hook", "place"), FOR_SPECS.items())
def test_what_a_spec_may_say_is_told_or_nothing_runs(hook, place, body, said, guest, workspace):
    guest(answering(hook, body, place), place)
    ran = run_one(workspace)
    assert (ran.code, (workspace.folder / "analysis").exists()) == (3, False)
    assert said in ran.err


@pytest.mark.parametrize(("body", "said"), ENDS)
@pytest.mark.parametrize(("hook", "place"), FOR_ITEMS.items())
def test_what_an_item_needs_is_given_or_the_item_is_incomplete(hook, place, body, said, guest, workspace):
    guest(answering(hook, body, place), place)
    ran = run_one(workspace)
    assert ran.code == 7
    assert said in ran.out
    assert (workspace.folder / "analysis/report.md").is_file()


@pytest.mark.parametrize(("body", "said"), ENDS)
@pytest.mark.parametrize("hook", FOR_OBSERVERS)
def test_an_observer_that_ends_in_any_hook_costs_no_other(hook, body, said, guest, workspace):
    guest(answering(hook, body))
    ran = run_one(workspace)
    assert ran.code == 3
    assert said in ran.err
    assert ran.err.endswith("observer guest broke; the other reports are complete\n")
    assert (workspace.folder / "analysis/report.md").is_file()


@pytest.mark.parametrize(
    ("hook", "place", "code", "expected"),
    [
        ("mechint_options", "method", 3, "a class derived from OptionsModel"),
        ("mechint_metrics", "beside", 3, "a sequence of Metric"),
        ("mechint_observers", "beside", 3, "a sequence of object"),
        ("mechint_analyze", "method", 7, "an Analysis"),
        ("mechint_architectures", "beside", 7, "a sequence of Architecture"),
        ("mechint_figures", "method", 7, "a sequence of file names"),
        ("mechint_task", "task", 7, "a Task"),
    ],
)
def test_a_hook_that_returns_something_else_is_named(hook, place, code, expected, guest, workspace):
    guest(answering(hook, "return 3", place), place)
    ran = run_one(workspace)
    assert ran.code == code
    assert f"plugin 'guest' returned 3 from {hook}; expected {expected}" in ran.out + ran.err


@pytest.mark.parametrize("way", ["--in-process", "-n1"])
@pytest.mark.parametrize("place", ["method", "task"])
def test_options_whose_class_no_module_has_are_refused(place, way, guest, workspace):
    guest(f"{SOURCES[place]}\nOptions.__qualname__ = 'Elsewhere'\n", place)
    ran = workspace.mechint("run", "spec.yaml", way)
    assert (ran.code, "Traceback" in ran.err, (workspace.folder / "analysis").exists()) == (3, False, False), ran
    assert "the options of plugin 'guest' cannot be passed to another process: " in ran.err
    assert "mechint_guest.Elsewhere" in ran.err


TRAINER = f"""\
{SOURCES["method"]}
@hookimpl
def mechint_analyze({ANALYZE}):
    subject.model.transformer.wte.weight.data.add_(0.1)
    return kv_circuit.mechint_analyze({ANALYZE})
"""


def test_a_method_that_trains_the_model_is_refused(guest, workspace):
    guest(TRAINER, "method")
    ran = run_one(workspace)
    assert ran.code == 7
    assert "plugin 'guest' changed the model's weights, transformer.wte.weight among them" in ran.out


FORGER = f"""\
import dataclasses
{HEAD}

def forge(value):
    "Everything that can be reached, by whatever means."
    if isinstance(value, dict):
        for key, entry in list(value.items()):
            forge(entry)
            value[key] = "FORGED"
    elif isinstance(value, list | tuple):
        for entry in value:
            forge(entry)
        if isinstance(value, list):
            value[:] = ["FORGED"]
    else:
        names = getattr(type(value), "model_fields", None) or getattr(value, "__dataclass_fields__", ())
        for name in names:
            forge(getattr(value, name))
            object.__setattr__(value, name, "FORGED")

@hookimpl
def mechint_run_started(plan): forge(plan)

@hookimpl
def mechint_item_started(item): forge(item)

@hookimpl
def mechint_progress(item, progress): forge((item, progress))

@hookimpl
def mechint_item_finished(report): forge(report)

@hookimpl
def mechint_run_finished(report): forge(report)

@hookimpl
def mechint_command_finished(reports, reporting): forge((reports, reporting))
"""


def test_an_observer_changes_nothing_for_others(guest, workspace):
    guest(FORGER)
    ran = workspace.run("spec.yaml", "-p", "guest", "--junitxml", "analysis/junit.xml", "-p", "json_lines")
    assert ran.code == 0, ran.err
    written = [path for path in (workspace.folder / "analysis").rglob("*") if path.is_file()]
    assert {"results.json", "report.md", "report.html", "junit.xml"} <= {path.name for path in written}
    assert [path for path in written if b"FORGED" in path.read_bytes()] == []
    assert "FORGED" not in ran.out + ran.err


@pytest.mark.parametrize("way", ["--in-process", "-n1"])
@pytest.mark.parametrize("place", ["method", "task"])
def test_what_is_made_of_options_and_reports_no_other_sees(place, way, guest, workspace):
    guest(SOURCES[place], place)
    ran = workspace.mechint("run", "spec.yaml", way)
    assert ran.code == 0, ran.out
    items = json.loads((workspace.folder / "analysis/results.json").read_text())["items"]
    assert [item[place]["words"] for item in items] == [["a"], ["a"]]


def start(workspace, *arguments):
    """The program in a process of its own, which hears of interrupts whatever its parent does."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from mechint import cli; cli.main()"
    )
    path = os.pathsep.join([str(workspace.folder / "site"), *sys.path])
    return started(
        [sys.executable, "-c", code, *arguments],
        cwd=workspace.folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_an_interrupt_ends_a_plugin_that_is_being_imported(guest, workspace):
    guest("import sys, time\nprint('importing', flush=True)\ntime.sleep(10_000)")
    with start(workspace, "run", "spec.yaml", "-p", "guest") as running:
        assert "importing\n" in iter(running.stderr.readline, "")
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=PATIENCE)
    assert running.returncode == 2, said


def test_a_plugin_that_replaces_torch_load_costs_its_own_items(guest, workspace):
    guest(f"import torch\ntorch.load = lambda *given, **named: None\n{SOURCES['method']}", "method")
    others = SPEC.replace("analysis", "others").replace("[0.5, 0.75]", "[0.5]")
    arguments = ("--models", "output/*V0.pt", "-n1", "--ff")
    with start(workspace, "run", "spec.yaml", workspace.write("others.yaml", others), *arguments) as running:
        out, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode == 7
    assert "PluginError: torch.load is not torch's own but mechint_guest.<lambda>" in out
    outcomes = [
        json.loads((workspace.folder / of / "results.json").read_text())["outcome"] for of in ("analysis", "others")
    ]
    assert outcomes == ["error", "passed"]
