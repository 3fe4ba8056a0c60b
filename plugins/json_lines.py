"""Prints every run's report as JSON on standard output, one line a spec, once all runs of a command are over.

What is not ASCII is escaped, so that any terminal's encoding holds it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mechint import hookimpl

if TYPE_CHECKING:
    from mechint.results.values import RunReport


@hookimpl
def mechint_command_finished(reports: Sequence[RunReport]) -> None:
    for report in reports:
        sys.stdout.write(json.dumps(report.model_dump(mode="json"), allow_nan=False) + "\n")
    sys.stdout.flush()
