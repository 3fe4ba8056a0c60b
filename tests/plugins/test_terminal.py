import contextlib
import io
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mechint.plugins.terminal import TerminalReporter, mechint_observers
from rich.console import Console

from mechint.journal import Progress
from mechint.results.reporting import Reporting
from mechint.results.values import ErrorFacts, ItemReport, Outcome, RunReport
from tests.reports import SPEC, broken_item, failed_item, make_item, make_run, marked_item

PLAIN = Reporting()


def plan_of(run: RunReport) -> Any:
    def cell(item: ItemReport) -> Any:
        return SimpleNamespace(skip=item.marked if item.outcome is Outcome.SKIPPED else None)

    items = [SimpleNamespace(id=item.id, nodeid=item.nodeid, cell=cell(item)) for item in run.items]
    spec = SimpleNamespace(path=run.spec.path, name=run.spec.name, output_dir="out")
    return SimpleNamespace(spec=spec, items=items, collected=run.collected or len(items), smoke=run.smoke)


def tell(
    run: RunReport,
    console: Console,
    output_dir: Path = Path("out"),
    work: Callable[[], object] = lambda: None,
    asked: Reporting = PLAIN,
) -> None:
    """Play a run to a reporter, as the engine would; each item does its ``work``."""
    reporter, plan = TerminalReporter(lambda: console, asked), plan_of(run)
    reporter.mechint_run_started(plan=plan)
    for item, report in zip(plan.items, run.items, strict=True):
        if report.outcome is Outcome.SKIPPED:
            continue
        reporter.mechint_item_started(item=item)
        reporter.mechint_progress(item=item, progress=Progress(stage="swap", done=1, total=2, values={"loss": 1.5}))
        work()
        reporter.mechint_item_finished(report=report, folder=output_dir / report.id)
    reporter.mechint_run_finished(report=run, output_dir=output_dir)


def told(
    run: RunReport,
    *,
    width: int = 120,
    encoding: str = "utf-8",
    output_dir: Path = Path("out"),
    asked: Reporting = PLAIN,
) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    tell(run, Console(file=file, width=width, markup=False, highlight=False, emoji=False), output_dir, asked=asked)
    return raw.getvalue().decode(encoding)


def test_a_run_drawn_again_has_a_head_of_its_own_and_the_same_lines():
    raw, run = io.BytesIO(), make_run()
    file = io.TextIOWrapper(raw, encoding="utf-8")
    console = Console(file=file, width=120, markup=False, highlight=False, emoji=False)
    reporter = TerminalReporter(lambda: console, PLAIN)
    reporter.mechint_redraw_started(report=run, output_dir=Path("out"))
    for item in run.items:
        reporter.mechint_item_finished(report=item, folder=Path("out") / item.id)
    reporter.mechint_run_finished(report=run, output_dir=Path("out"))
    again, before = raw.getvalue().decode().splitlines(), told(run).splitlines()
    assert again[0].strip("= ") == "mechint draws a finished run again"
    assert again[1:4] == [
        "run: out, of specs/kv_ablation.yaml (kv_ablation)",
        "verdicts are those of 2025-01-02T03:04:05+00:00; no model is loaded",
        "6 items to draw",
    ]
    assert again[4:] == before[4:]


def test_a_skipped_item_is_not_drawn_again_and_not_missing():
    raw, run = io.StringIO(), make_run((make_item(), marked_item(Outcome.SKIPPED)))
    reporter = TerminalReporter(lambda: Console(file=raw, width=120), PLAIN)
    reporter.mechint_redraw_started(report=run, output_dir=Path("out"))
    reporter.mechint_item_finished(report=run.items[0], folder=Path("out"))
    reporter.mechint_run_finished(report=run, output_dir=Path("out"))
    assert [text for text in ("1 item to draw", "SKIPPED  issue 7", "[100%]") if text not in raw.getvalue()] == []
    assert "stopping" not in raw.getvalue()


def on_a_terminal(
    run: RunReport, monkeypatch: pytest.MonkeyPatch, kind: str = "xterm-256color", awaited: str = ""
) -> str:
    """What a run writes to a terminal; each item works for 0.3 s and until what is awaited is shown."""
    monkeypatch.setenv("TERM", kind)
    monkeypatch.delenv("NO_COLOR", raising=False)
    ours, theirs = pty.openpty()
    shown = bytearray()

    def work() -> None:
        time.sleep(0.3)
        until = time.monotonic() + 600
        while awaited.encode() not in shown and time.monotonic() < until:
            time.sleep(0.01)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_to_the_end, ours, shown)
        with os.fdopen(theirs, "w") as file:
            tell(run, Console(file=file, width=100, markup=False, highlight=False, emoji=False), work=work)
        reading.result()
    os.close(ours)
    return shown.decode()


def read_to_the_end(terminal: int, shown: bytearray) -> None:
    """Add everything written to a terminal until its other side is closed, which Linux reports as an error."""
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 65536):
            shown += part


def test_the_head_names_the_spec_the_items_and_where_results_go() -> None:
    lines = told(make_run()).splitlines()
    assert "mechint run starts" in lines[0]
    assert lines[1:4] == [f"spec: {SPEC} (kv_ablation)", "output: out", "collected 6 items"]


@pytest.mark.parametrize(
    "line",
    [
        f"{SPEC}::stepV0-target_sparsity0.5  PASSED  faithfulness 0.88  sparsity 0.80  random 0.12          [ 16%]",
        f"{SPEC}::stepV0-target_sparsity0.95 FAILED  faithfulness 0.79996  sparsity 0.95  random 0.12       [ 50%]",
        f"{SPEC}::stepV2                     ERROR  CheckpointError                                         [ 83%]",
    ],
)
def test_an_item_is_one_line(line: str) -> None:
    assert line in told(make_run()).splitlines()


def test_an_item_of_an_earlier_run_says_so() -> None:
    run = make_run()
    cached = run.model_copy(update={"items": tuple(one.model_copy(update={"cached": True}) for one in run.items)})
    assert "faithfulness 0.88  sparsity 0.80  random 0.12  cached" in told(cached, width=120)
    assert "cached" not in told(run, width=120)


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_an_item_line_fits_the_width(width: int) -> None:
    lines = [line for line in told(make_run(), width=width).splitlines() if line.endswith("%]")]
    assert len(lines) == 6
    assert {len(line) for line in lines} == {width}


@pytest.mark.parametrize(
    "line",
    [
        f"{SPEC}:27: failed: faithfulness >= 0.8: 0.79996 is not >= 0.8",
        "    loss: full 1.630, circuit 1.906, empty 3.987, complement 3.819, random 3.701",
        "E   CheckpointError: output/final_model_stepV2.pt: the archive is truncated",
        "E     hint: copy it again, or train it anew",
        '|   File "plugins/kv.py", line 7, in f',
        "    see out/stepV2",
    ],
)
def test_every_failure_is_explained_after_the_last_item(line: str) -> None:
    _, failures = told(make_run()).split(" FAILURES ")
    assert line in failures.splitlines()


def test_a_warning_gets_a_line_of_its_own() -> None:
    _, warnings = told(make_run()).split(" warnings =")
    line = f"{SPEC}:30: warned: sparsity >= 0.8: 0.7998046875 is not >= 0.8 in stepV0-target_sparsity0.8"
    assert line in warnings.splitlines()


def test_the_last_line_counts() -> None:
    last = told(make_run()).splitlines()[-1]
    assert last.strip("=") == " 2 passed (1 with warnings), 1 failed, 1 undecided, 2 errors in 73.1s "
    assert len(last) == 120


def test_a_run_where_all_passed_is_short() -> None:
    output = told(make_run((make_item(),), outcome=Outcome.PASSED))
    assert "FAILURES" not in output
    assert "warnings" not in output


@pytest.mark.parametrize("page", ["report.md", "results.json"])
def test_the_report_named_is_one_that_exists(page: str, tmp_path: Path) -> None:
    (tmp_path / page).touch()
    assert f"report: {tmp_path / page}" in told(make_run(), output_dir=tmp_path).splitlines()


def test_an_interrupted_run_says_so() -> None:
    assert "1 passed in 73.1s, interrupted" in told(make_run((make_item(),), interrupted=True))


def test_two_runs_of_one_reporter_do_not_mix() -> None:
    reporter = TerminalReporter(lambda: Console(file=io.StringIO(), width=100), PLAIN)
    reporter.mechint_run_started(plan=plan_of(make_run()))
    reporter.mechint_item_finished(report=failed_item(), folder=Path("out"))
    reporter.mechint_run_started(plan=plan_of(make_run((make_item(),))))
    assert reporter._finished == []


def hostile_item() -> ItemReport:
    name = "[bold]x[/]\x1b[31m\n::error::x ##[add-mask]"
    error = ErrorFacts(kind="Bug\x07", message=f"a\n::set-output name=x::{name}", traceback=f"::warning::\n{name}")
    return broken_item(name, nodeid=f"::error::{name}", error=error)


def test_names_and_messages_are_text_only() -> None:
    output = told(make_run((hostile_item(),)))
    assert "[bold]x[/]\\x1b[31m" in output
    assert "\x1b" not in output
    assert "\x07" not in output
    assert "##[" not in output
    assert not [line for line in output.splitlines() if line.lstrip().startswith("::")]


def test_what_the_output_cannot_encode_is_escaped() -> None:
    output = told(make_run((make_item("schön-日本"),)), encoding="ascii")
    assert "sch\\xf6n-\\u65e5\\u672c PASSED" in output


def test_a_terminal_shows_a_bar_while_an_item_works(monkeypatch: pytest.MonkeyPatch) -> None:
    output = on_a_terminal(make_run((make_item(),)), monkeypatch, awaited="loss 1.500")
    assert "swap" in output
    assert "loss 1.500" in output
    assert "\x1b[32mPASSED" in output
    assert output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l")


def test_a_dumb_terminal_gets_lines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    output = on_a_terminal(make_run((make_item(),)), monkeypatch, kind="dumb")
    assert "swap" not in output
    assert "\x1b" not in output


def test_a_file_gets_lines_only() -> None:
    assert "swap" not in told(make_run((make_item(),)))


def test_the_run_goes_on_when_nobody_reads_any_more() -> None:
    code = (
        "from tests.plugins.test_terminal import *; from mechint.plugins.terminal import open_console\n"
        "tell(make_run(), open_console()); print('went on', file=sys.stderr)"
    )
    root = Path(__file__).parents[2]
    running = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root
    )
    assert running.stdout is not None
    running.stdout.close()
    _, errors = running.communicate(timeout=600)
    assert (running.returncode, errors.strip()) == (0, "went on")


def test_each_run_gets_a_fresh_reporter() -> None:
    (first,), (second,) = mechint_observers(PLAIN), mechint_observers(PLAIN)
    assert first is not second


def test_deselected_items_are_counted_as_pytest_does() -> None:
    run = make_run((make_item(), failed_item()), collected=6)
    assert "collected 6 items / 4 deselected / 2 selected" in told(run).splitlines()


def test_a_skipped_item_is_a_line_with_its_reason_and_no_part_of_the_progress() -> None:
    skipped = make_item("slow", outcome=Outcome.SKIPPED, marked="takes a day")
    lines = told(make_run((skipped, make_item()))).splitlines()
    assert [line.split() for line in lines if "SKIPPED" in line] == [
        [f"{SPEC}::slow", "SKIPPED", *["takes", "a", "day"]]
    ]
    assert [line[-6:] for line in lines if line.endswith("%]")] == ["[100%]"]


def test_an_item_that_passes_against_expectation_is_explained() -> None:
    output = told(make_run((make_item(outcome=Outcome.XPASSED, marked="issue 7"),)))
    assert "every assertion holds, and the spec expects a failure: issue 7" in output.split(" FAILURES ")[1]


@pytest.mark.parametrize(
    ("verbosity", "there", "missing"),
    [
        (-2, ["2 passed (1 with warnings)"], ["FAILURES", "ERROR", "collected", "report:"]),
        (-1, ["FAILURES", "stepV2                     ERROR"], ["collected", "PASSED", "report:"]),
        (1, ["    PASSED faithfulness >= 0.8: measured 0.8831"], ["    completeness 0.0712"]),
        (2, ["    PASSED faithfulness >= 0.8: measured 0.8831", "    completeness 0.07120"], []),
    ],
)
def test_less_or_more_is_said(verbosity: int, there: list[str], missing: list[str]) -> None:
    output = told(make_run(), asked=Reporting(verbosity=verbosity))
    assert [text for text in there if text not in output] == []
    assert [text for text in missing if text in output] == []


def test_the_slowest_items_are_listed() -> None:
    items = tuple(make_item(f"step{seconds}", seconds=seconds) for seconds in (1, 30, 2))
    _, listed = told(make_run(items), asked=Reporting(durations=2)).split(" slowest 2 durations ")
    assert [line.split("::")[-1] for line in listed.splitlines() if "::" in line] == ["step30", "step2"]


def test_a_run_that_stops_after_failures_says_so() -> None:
    run = make_run((failed_item(), make_item()))
    reporter, plan = TerminalReporter(lambda: console, PLAIN), plan_of(run)
    console = Console(file=io.StringIO(), width=80)
    reporter.mechint_run_started(plan=plan)
    reporter.mechint_item_finished(report=run.items[0], folder=Path("out"))
    reporter.mechint_run_finished(report=run, output_dir=Path("out"))
    assert "! stopping after 1 failure !" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_smoke_run_says_so_first_and_last() -> None:
    lines = told(make_run((make_item(),), smoke=True)).splitlines()
    assert "smoke run: tiny budgets, so the numbers mean nothing" in lines
    assert "smoke run: 1 passed" in lines[-1]
