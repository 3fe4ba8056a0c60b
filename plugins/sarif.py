"""Writes SARIF 2.1.0, which code scanning shows beside the lines of specs.

1. Every assertion that does not hold is a result at its line, with the assertion as its rule; so is every item that
   could not be measured, at the spec's first line.
2. Failures are errors, what is undecided or only warned a warning.
3. GitHub keeps 5,000 results of a run, the severest first; no more are written, and a notification says how many there
   were.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mechint import __version__, hookimpl

if TYPE_CHECKING:
    from mechint.results.findings import Finding
    from mechint.results.reporting import Reporting
    from mechint.results.values import RunReport

MOST_RESULTS = 5000
LONGEST_MESSAGE = 1000
LONGEST_RULE = 200
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


@hookimpl
def mechint_command_finished(reports: Sequence[RunReport], reporting: Reporting) -> None:
    from mechint.files import write_text

    if reporting.sarif is not None:
        write_text(Path(reporting.sarif), json.dumps(_log(reports), indent=1) + "\n")


def _log(reports: Sequence[RunReport]) -> dict[str, Any]:
    from mechint.results.findings import SEVERITIES, find_all

    found = [finding for report in reports for finding in find_all(report)]
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))  # stable: in the order of items
    shown = found[:MOST_RESULTS]
    rules = {rule: number for number, rule in enumerate(dict.fromkeys(map(_rule, shown)))}
    run = {
        "tool": {
            "driver": {
                "name": "mechint",
                "version": __version__,
                "rules": [{"id": rule, "shortDescription": {"text": rule}} for rule in rules],
            }
        },
        "invocations": [_invocation(reports, len(found) - len(shown))],
        "results": [_result(finding, rules) for finding in shown],
        "columnKind": "unicodeCodePoints",
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _invocation(reports: Sequence[RunReport], left_out: int) -> dict[str, Any]:
    complete = not any(report.interrupted or report.exit_code in (3, 7) for report in reports)
    invocation: dict[str, Any] = {"executionSuccessful": complete}
    if left_out:
        text = f"{left_out:,} more findings are in results.json"
        invocation["toolExecutionNotifications"] = [{"level": "warning", "message": {"text": text}}]
    return invocation


def _result(finding: Finding, rules: Mapping[str, int]) -> dict[str, Any]:
    from mechint.results.describe import visible

    rule, item = _rule(finding), finding.item
    region = {"startLine": finding.line or 1}
    # The same finding on the same item is the same alert, wherever its line has moved to.
    fingerprint = hashlib.sha256(f"{item.nodeid}\n{rule}".encode(errors="replace")).hexdigest()
    return {
        "ruleId": rule,
        "ruleIndex": rules[rule],
        "level": finding.severity,
        "message": {"text": f"{visible(item.id)}: {visible(finding.message)}"[:LONGEST_MESSAGE]},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": _uri(finding.file)}, "region": region},
                "logicalLocations": [{"fullyQualifiedName": visible(item.nodeid), "kind": "member"}],
            }
        ],
        "partialFingerprints": {"mechintFinding/v1": fingerprint},
    }


def _rule(finding: Finding) -> str:
    from mechint.results.describe import visible

    return visible(finding.rule)[:LONGEST_RULE]


def _uri(path: str) -> str:
    """A path as a reference relative to the repository, or to the machine where it is absolute."""
    pure = PurePath(path)
    return pure.as_uri() if pure.is_absolute() else quote(pure.as_posix(), errors="replace")
