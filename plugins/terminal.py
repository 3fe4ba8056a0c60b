"""Tells a run on the terminal in pytest's manner.

1. Head: the spec, how many items it has, which the spec skips and where the results go.
2. While an item works, a bar with its stage, steps and loss; only on a terminal that can redraw a line.
3. One line an item: outcome, key figures and how far the run is.
4. After the last item: why each item that did not pass did not, what only warned, what took longest, and
   where the report is.
5. A line with the counts.

Asked to say less it leaves out the head and what passed, then all but the last line; asked to say more it adds every
verdict to an item's line, then every measure.

Everything it prints of specs, paths and messages is text, never markup, escape codes or a CI system's commands. Output
that nobody reads any more (``| head``) ends the printing, not the run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mechint import hookimpl

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from mechint.journal import Progress
    from mechint.results.reporting import Reporting
    from mechint.results.values import ItemReport, RunReport, Verdict
    from mechint.spec.values import Item, Plan

ROOM_BESIDE_NAME = 70
"""Columns for an item's outcome, key figures and percentage."""

STYLES = {
    "passed": "green",
    "warned": "yellow",
    "failed": "bold red",
    "undecided": "bold yellow",
    "xfailed": "yellow",
    "xpassed": "bold red",
    "skipped": "yellow",
    "error": "bold red",
    "interrupted": "bold yellow",
}

UNSOUND = ("failed", "undecided", "error", "xpassed")
"""Outcomes of items that are explained at the end."""


@hookimpl
def mechint_observers(reporting: Reporting) -> Sequence[object]:
    return [TerminalReporter(lambda: open_console(stdout=reporting.stdout), reporting)]


def open_console(*, stdout: bool = True) -> Console:
    """A console on standard output, or error, that falls silent when its reader is gone."""
    from rich.console import Console

    class PatientConsole(Console):
        def on_broken_pipe(self) -> None:
            self.quiet = True
            # Python flushes standard output once more at its end, which must not fail either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), (sys.stdout if stdout else sys.stderr).fileno())

    return PatientConsole(markup=False, highlight=False, emoji=False, soft_wrap=True, stderr=not stdout)


class TerminalReporter:
    """Watches one run at a time; each run of several specs begins with its own head."""

    def __init__(self, console: Callable[[], Console], reporting: Reporting) -> None:
        self._open = console
        self._asked = reporting
        self._finished: list[tuple[ItemReport, Path]] = []
        self._total = 0
        self._ids_only = False
        self._name_width = 0
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}

    @hookimpl
    def mechint_run_started(self, plan: Plan) -> None:
        skipped = [(item, item.cell.skip) for item in plan.items if item.cell.skip is not None]
        self._begin(plan.items, len(plan.items) - len(skipped))
        if self._asked.verbosity < 0:
            return
        self._rule("mechint run starts", "=", "bold")
        self._say((f"spec: {_plain(plan.spec.path)} ({_plain(plan.spec.name)})", ""))
        self._say((f"output: {_plain(plan.spec.output_dir)}", ""))
        if plan.smoke:
            self._say(("smoke run: tiny budgets, so the numbers mean nothing", "yellow"))
        self._say((_collected(plan), "bold"))
        self._say()
        self._list_skipped(skipped)

    @hookimpl
    def mechint_redraw_started(self, report: RunReport, output_dir: Path) -> None:
        skipped = [(item, item.marked) for item in report.items if item.outcome.value == "skipped"]
        self._begin(report.items, len(report.items) - len(skipped))
        if self._asked.verbosity < 0:
            return
        self._rule("mechint draws a finished run again", "=", "bold")
        self._say((f"run: {_plain(str(output_dir))}, of {_plain(report.spec.path)} ({_plain(report.spec.name)})", ""))
        self._say((f"verdicts are those of {_plain(report.started)}; no model is loaded", ""))
        self._say((f"{self._total} item{'' if self._total == 1 else 's'} to draw", "bold"))
        self._say()
        self._list_skipped(skipped)

    @hookimpl
    def mechint_item_started(self, item: Item) -> None:
        if not _can_redraw(self._console) or item.id in self._tasks:
            return
        if self._bars is None:
            self._bars = _open_bars(self._console)
        self._tasks[item.id] = self._bars.add_task(_shorten(item.id, 30), total=None, stage="loading", values="")

    @hookimpl
    def mechint_progress(self, item: Item, progress: Progress) -> None:
        if self._bars is not None and item.id in self._tasks:
            loss = progress.values.get("loss")
            self._bars.update(
                self._tasks[item.id],
                completed=progress.done,
                total=progress.total,
                stage=_plain(progress.stage),
                values="" if loss is None else f"loss {loss:.3f}",
            )

    @hookimpl
    def mechint_item_finished(self, report: ItemReport, folder: Path) -> None:
        self._finished.append((report, folder))
        if self._bars is not None and report.id in self._tasks:
            self._bars.remove_task(self._tasks.pop(report.id))
            if not self._tasks:
                self._close_bars()
        if self._asked.verbosity >= 0 or (self._asked.verbosity == -1 and report.outcome.value in UNSOUND):
            self._say(*self._item_line(report))
        if self._asked.verbosity > 0:
            self._elaborate(report)

    @hookimpl(trylast=True)
    def mechint_run_finished(self, report: RunReport, output_dir: Path) -> None:
        from mechint.results.describe import run_line

        self._close_bars()
        if self._asked.verbosity > -2:
            self._conclude(report)
        # Reporters are independent: the page exists only where the one that writes it is active.
        pages = (output_dir / name for name in ("report.md", "results.json"))
        page = next((page for page in pages if page.is_file()), output_dir)
        if self._asked.verbosity >= 0:
            self._say()
            self._say((f"report: {_plain(str(page))}", ""))
        self._rule(run_line(report), "=", STYLES[report.outcome.value])

    def _conclude(self, report: RunReport) -> None:
        """What stands between the last item and the last line."""
        unsound = [(item, folder) for item, folder in self._finished if item.outcome.value in UNSOUND]
        if unsound:
            self._say()
            self._rule("FAILURES", "=", "")
        for item, folder in unsound:
            self._explain(item, folder)
        self._warn([item for item, _ in self._finished])
        if self._asked.durations is not None:
            self._list_slowest(self._asked.durations or len(self._finished))
        if not report.interrupted and len(self._finished) < self._total:
            self._rule(f"stopping after {len(unsound)} failure{'' if len(unsound) == 1 else 's'}", "!", "bold red")

    def _begin(self, items: Sequence[Item | ItemReport], total: int) -> None:
        """Open the console for so many items to finish, and see how wide the lines of all can be."""
        self._console = self._open()
        self._finished.clear()
        self._total = total
        longest = max((len(item.nodeid) for item in items), default=0)
        self._ids_only = longest + ROOM_BESIDE_NAME > self._console.width
        self._name_width = max((len(self._name(item)) for item in items), default=0)

    def _list_skipped(self, skipped: Sequence[tuple[Item | ItemReport, str]]) -> None:
        """One line for each item that is not measured, with the spec's reason."""
        for item, reason in skipped:
            name = self._name(item).ljust(min(self._name_width, 60))
            self._say((f"{name} ", ""), ("SKIPPED", STYLES["skipped"]), (f"  {_plain(reason)}", ""))

    def _item_line(self, report: ItemReport) -> list[tuple[str, str]]:
        """The parts of an item's line, with as many figures as fit in the width, and the percentage at the right."""
        outcome = report.outcome.value.upper()
        percent = f"[{100 * len(self._finished) // max(self._total, 1):3}%]"
        name = self._name(report).ljust(min(self._name_width, 60))
        for figures in _wordings(report):
            room = self._console.width - len(f"{name} {outcome}{figures}  {percent}")
            if room >= 0:
                break
        return [
            (f"{name} ", ""),
            (outcome, STYLES[report.outcome.value]),
            (figures + " " * (2 + max(room, 0)), ""),
            (percent, "cyan"),
        ]

    def _name(self, item: Item | ItemReport) -> str:
        """An item's id, behind its spec where all lines of the run have room for that."""
        return _plain(item.id if self._ids_only else item.nodeid)

    def _explain(self, report: ItemReport, folder: Path) -> None:
        """Why an item did not pass: each assertion with its place, or the error."""
        from mechint.results.describe import cause, comparison, harmless, mark

        self._rule(_plain(report.nodeid), "_", STYLES[report.outcome.value])
        if report.error is not None:
            for line in (report.error.traceback or "").splitlines():
                self._say((f"| {harmless(line.expandtabs())}", ""))
            for line in cause(report.error).splitlines():
                self._say((f"E   {harmless(line.expandtabs())}", "red"))
        if report.outcome.value == "xpassed":
            self._say((_plain(mark(report)), ""))
        for verdict in report.verdicts:
            if verdict.outcome.value in ("failed", "undecided"):
                self._say(*_told(report, verdict))
        for line in comparison(report):
            self._say((f"    {_plain(line)}", ""))
        self._say((f"    see {_plain(str(folder))}", "dim"))

    def _elaborate(self, report: ItemReport) -> None:
        """Every verdict of an item, and with -vv what it was compared with and every measure."""
        from mechint.results.describe import bounds, comparison, number, sentence

        for verdict in report.verdicts:
            outcome = verdict.outcome.value
            self._say(("    ", ""), (outcome.upper(), STYLES[outcome]), (f" {_plain(sentence(verdict))}", ""))
        if self._asked.verbosity > 1:
            for line in comparison(report):
                self._say((f"    {_plain(line)}", ""))
            for name, value in report.measures.items():
                self._say((f"    {_plain(name)} {number(value, bounds(report, name))}", ""))

    def _list_slowest(self, most: int) -> None:
        from mechint.results.describe import duration

        self._say()
        self._rule(f"slowest {most} durations", "=", "")
        slowest = sorted((item for item, _ in self._finished), key=lambda item: -item.seconds)
        for item in slowest[:most]:
            self._say((f"{duration(item.seconds)} {_plain(item.nodeid)}", ""))

    def _warn(self, items: Sequence[ItemReport]) -> None:
        """Assertions that only warn, each with its item."""
        warned = [(item, verdict) for item in items for verdict in item.verdicts if verdict.outcome.value == "warned"]
        if not warned:
            return
        self._say()
        self._rule("warnings", "=", "yellow")
        for item, verdict in warned:
            self._say(*_told(item, verdict), (f" in {_plain(item.id)}", ""))

    def _rule(self, title: str, line: str, style: str) -> None:
        """A title between lines, as wide as the console."""
        room = self._console.width - len(title) - 2
        left, right = room // 2, room - room // 2
        self._say((f"{line * max(left, 3)} {title} {line * max(right, 3)}", style))

    def _say(self, *parts: tuple[str, str]) -> None:
        """Print one line of (text, style) parts, with what the output cannot encode escaped."""
        from rich.text import Text

        from mechint.results.redact import redact

        encoding = self._console.encoding
        safe = [(redact(text).encode(encoding, "backslashreplace").decode(encoding), style) for text, style in parts]
        try:
            self._console.print(Text.assemble(*safe), soft_wrap=True)
        except BrokenPipeError:
            self._console.quiet = True

    def _close_bars(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
            self._tasks.clear()


def _collected(plan: Plan) -> str:
    """``collected 6 items / 4 deselected / 2 selected``, as pytest says it."""
    said = f"collected {plan.collected} item{'' if plan.collected == 1 else 's'}"
    left_out = plan.collected - len(plan.items)
    return f"{said} / {left_out} deselected / {len(plan.items)} selected" if left_out else said


def _open_bars(console: Console) -> Bars:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[stage]}", markup=False),
        BarColumn(bar_width=None, complete_style="cyan", finished_style="cyan", pulse_style="cyan"),
        MofNCompleteColumn(),
        TextColumn("{task.fields[values]}", markup=False),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        expand=True,
        # Without this a log in `2> file` would go to the terminal while a bar is up.
        redirect_stderr=sys.stderr.isatty(),
    )
    bars.start()
    # A crash must not leave the user without a cursor.
    console.show_cursor(show=True)
    return bars


def _can_redraw(console: Console) -> bool:
    return console.is_terminal and not console.is_dumb_terminal and console.file.isatty()


def _told(report: ItemReport, verdict: Verdict) -> list[tuple[str, str]]:
    """An assertion that does not hold, behind the place where the spec states it."""
    from mechint.results.describe import place, sentence

    outcome = verdict.outcome.value
    return [
        (f"{_plain(place(report, verdict))}: ", ""),
        (outcome, STYLES[outcome]),
        (f": {_plain(sentence(verdict))}", ""),
    ]


def _wordings(report: ItemReport) -> Iterator[str]:
    """The figures of an item's line, from all of them to none."""
    from mechint.results.describe import headline

    figures = headline(report) if report.error is None else {_plain(report.error.kind): ""}
    end = "  cached" if report.cached else ""
    yield _row(figures) + end
    yield _row({word: figures[word] for word in figures if word != "sparsity"}) + end
    yield _row(dict(list(figures.items())[:1])) + end
    yield end
    yield ""


def _row(figures: dict[str, str]) -> str:
    return "".join(f"  {word} {figure}".rstrip() for word, figure in figures.items())


def _plain(text: str) -> str:
    """Text of unknown origin on one line."""
    from mechint.results.describe import harmless

    return harmless(" ".join(text.split()))


def _shorten(text: str, width: int) -> str:
    line = _plain(text)
    return line if len(line) <= width else f"{line[: width - 2]}.."
