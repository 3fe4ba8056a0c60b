"""Writes JUnit XML, which GitLab, GitHub and Jenkins show as a list of tests.

1. A ``testsuite`` for each spec, a ``testcase`` for each item, named as on the command line.
2. An item's failed assertions are one ``failure``: the first in its message, all of them in its text. What is undecided
   is a failure too, since it did not pass; what could not be measured is an ``error``.
3. What the spec skips, or expects to fail and does, is ``skipped``. Warnings are in ``system-out``.

Viewers drop the second of two cases with one name, and GitLab refuses files of 30 MB: names are unique, texts bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mechint import hookimpl

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from mechint.results.findings import Finding
    from mechint.results.reporting import Reporting
    from mechint.results.values import ItemReport, RunReport

LONGEST_TEXT = 4000
LONGEST_MESSAGE = 400

# What XML 1.0 has no way to say, escaped or not.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@hookimpl
def mechint_command_finished(reports: Sequence[RunReport], reporting: Reporting) -> None:
    from xml.etree.ElementTree import Element, indent, tostring

    from mechint.files import write_bytes

    if reporting.junit is None:
        return
    root = Element("testsuites", name="mechint")
    suites = [_suite(report) for report in reports]
    root.extend(suites)
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in suites)))
    root.set("time", f"{sum(report.seconds for report in reports):.3f}")
    indent(root)
    write_bytes(Path(reporting.junit), tostring(root, encoding="utf-8", xml_declaration=True))


def _suite(report: RunReport) -> Element:
    from xml.etree.ElementTree import Element

    cases = [_case(item, report) for item in report.items]
    counts = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
        "skipped": sum(case.find("skipped") is not None for case in cases),
    }
    suite = Element("testsuite", name=_plain(report.spec.path), timestamp=report.started, time=f"{report.seconds:.3f}")
    for name, count in counts.items():
        suite.set(name, str(count))
    suite.extend(cases)
    return suite


def _case(item: ItemReport, report: RunReport) -> Element:
    from xml.etree.ElementTree import Element

    from mechint.results.findings import find_item
    from mechint.results.values import Outcome

    case = Element("testcase", name=_plain(item.id), classname=_plain(report.spec.path), time=f"{item.seconds:.3f}")
    case.set("file", _plain(report.spec.path))
    found = list(find_item(item))
    broken = [one for one in found if one.outcome is Outcome.ERROR]
    failed = [one for one in found if one.outcome not in (Outcome.ERROR, Outcome.WARNED)]
    if item.outcome in (Outcome.SKIPPED, Outcome.XFAILED):
        kind = "mechint.skip" if item.outcome is Outcome.SKIPPED else "mechint.xfail"
        case.append(Element("skipped", type=kind, message=_plain(item.marked)))
    elif broken:
        traceback = "" if item.error is None else item.error.traceback or ""
        case.append(_told("error", broken, [traceback]))
    elif failed:
        case.append(_told("failure", failed, [f"again: mechint-run {report.spec.path}::{item.id}"]))
    if warned := [one for one in found if one.outcome is Outcome.WARNED]:
        output = Element("system-out")
        output.text = _bounded("\n".join(map(_line, warned)))
        case.append(output)
    return case


def _told(tag: str, found: Sequence[Finding], more: Iterable[str]) -> Element:
    """An element with the first finding in its message and all of them in its text."""
    from xml.etree.ElementTree import Element

    others = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    message = _plain(found[0].message)[:LONGEST_MESSAGE]
    element = Element(tag, type=found[0].outcome.value, message=f"{message}{others}")
    element.text = _bounded("\n".join([*map(_line, found), *more]))
    return element


def _line(finding: Finding) -> str:
    place = finding.file if finding.line is None else f"{finding.file}:{finding.line}"
    return f"{place}: {finding.outcome.value}: {finding.message}"


def _bounded(text: str) -> str:
    """The end of a traceback says most, the beginning of findings too; what is cut out lies between."""
    lines = "\n".join(_plain(line) for line in text.expandtabs().splitlines())
    if len(lines) <= LONGEST_TEXT:
        return lines
    half = LONGEST_TEXT // 2
    return f"{lines[:half]}\n[{len(lines) - LONGEST_TEXT:,} characters left out]\n{lines[-half:]}"


def _plain(text: str) -> str:
    """Text of unknown origin on one line, printable, and with nothing in it that XML cannot hold."""
    from mechint.results.describe import printable

    return _FORBIDDEN.sub("\ufffd", printable(text))
