"""Tells GitHub Actions what did not hold: annotations at the lines of specs, and the summary of the step.

1. Findings of one assertion are one annotation, with the items that it is about. GitHub shows ten of a kind and step;
   the rest is counted in a notice.
2. The summary lists runs and findings, as many as fit: GitHub drops one over a mebibyte whole.

Active where GITHUB_ACTIONS is true. What annotations say of specs, paths and messages is escaped, so that none can give
a command of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mechint import hookimpl

if TYPE_CHECKING:
    from mechint.results.findings import Finding
    from mechint.results.reporting import Reporting
    from mechint.results.values import RunReport

MOST_ANNOTATIONS = 10
"""Of a kind, in a step."""
MOST_ITEMS = 10
"""Listed in one annotation."""
LARGEST_SUMMARY = 1024 * 1024
LONGEST_LINE = 500


@hookimpl
def mechint_command_finished(reports: Sequence[RunReport], reporting: Reporting) -> None:
    from mechint.results.findings import find_all

    found = [finding for report in reports for finding in find_all(report)]
    stream = sys.stdout if reporting.stdout else sys.stderr
    for line in _annotations(found):
        encoding = stream.encoding or "utf-8"
        print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        path = Path(summary)
        room = LARGEST_SUMMARY - (path.stat().st_size if path.exists() else 0)
        with path.open("a", encoding="utf-8") as file:
            file.write(_summary(reports, found, room))


def _annotations(found: Sequence[Finding]) -> Iterator[str]:
    """Workflow commands, one a line."""
    from mechint.results.findings import SEVERITIES

    groups: dict[tuple[str, str, int | None, str], list[Finding]] = {}
    for finding in found:
        groups.setdefault((finding.severity, finding.file, finding.line, finding.rule), []).append(finding)
    left_out = []
    for kind in SEVERITIES:
        mine = [group for key, group in groups.items() if key[0] == kind]
        yield from (_annotation(kind, group) for group in mine[:MOST_ANNOTATIONS])
        if len(mine) > MOST_ANNOTATIONS:
            left_out.append(f"{len(mine) - MOST_ANNOTATIONS:,} more {kind}s")
    if left_out:
        yield f"::notice title=mechint::{_data(' and '.join(left_out))} are in report.md and results.json"


def _annotation(kind: str, group: Sequence[Finding]) -> str:
    first = group[0]
    items = "" if len(group) == 1 else f" in {len(group):,} items"
    title = f"{first.outcome.value}: {first.rule}{items}"
    lines = [f"{finding.item.id}: {finding.message}"[:LONGEST_LINE] for finding in group[:MOST_ITEMS]]
    if len(group) > MOST_ITEMS:
        lines.append(f"and {len(group) - MOST_ITEMS:,} more items")
    place = f"file={_property(first.file)},line={first.line or 1}"
    return f"::{kind} {place},title={_property(title[:LONGEST_LINE])}::{_data(chr(10).join(lines))}"


def _data(text: str) -> str:
    """Text for the message of a workflow command."""
    from mechint.results.describe import printable

    shown = "\n".join(printable(line) for line in text.split("\n"))
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Text for a property of a workflow command."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _summary(reports: Sequence[RunReport], found: Sequence[Finding], room: int) -> str:
    """Markdown with one row a run and one line a finding, of at most so many bytes."""
    from mechint.results.describe import run_line
    from mechint.results.markup import escape

    lines = ["## mechint", "", "| Spec | Outcome | Items |", "| --- | --- | --- |"]
    lines += [
        f"| {escape(report.spec.path)} | {report.outcome.value.upper()} | {escape(run_line(report))} |"
        for report in reports
    ]
    lines.append("")
    for finding in found:
        place = finding.file if finding.line is None else f"{finding.file}:{finding.line}"
        said = f"{finding.message} ({place})"[:LONGEST_LINE]
        lines.append(f"- **{finding.outcome.value.upper()}** {escape(finding.item.id)}: {escape(said)}")
    return _fitting(lines, room)


def _fitting(lines: Sequence[str], room: int) -> str:
    """As many lines as have room, with a line that counts the others."""
    left = room - 100  # for that line
    kept: list[str] = []
    for line in lines:
        left -= len(line.encode()) + 1
        if left < 0:
            more = f"{len(lines) - len(kept):,} more lines do not fit here; results.json has them"
            return "\n".join([*kept, "", more, ""]) if room > len(more) + 2 else ""
        kept.append(line)
    return "\n".join([*kept, ""])
