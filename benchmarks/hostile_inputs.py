"""Damaged and malicious inputs of every kind: what refusing each costs, and whether one of them got anything done.

Every input of ``tests/hostile`` is given to the command that reads it, in one process under watch. An input counts as
refused where the command ends with one error message and an exit code for it, no code of the input ran, no connection
was opened and no program started.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import sys
import tempfile
from pathlib import Path
from typing import Any

SLOWEST = 2.0
"""Seconds of the processor that a refusal may take."""
MOST_MEMORY = 512 << 20
"""Bytes; the largest JSON that is read has 256 MiB."""


def main() -> None:
    """Print a table by kind and every input that was not refused as it should be; exit status 1 if there is one."""
    arguments = _arguments()
    # The inputs are the tests' own, which lie beside this folder and are not installed.
    sys.path.insert(0, str(Path(__file__).parents[1]))
    cases = importlib.import_module("tests.hostile.cases").every_case(arguments.seed)
    watch = importlib.import_module("tests.hostile.watch").watch
    with tempfile.TemporaryDirectory() as folder:
        seen = list(watch(itertools.islice(cases, 0, None, arguments.every), Path(folder).resolve() / "work"))
    print("| kind | inputs | refused | slowest, CPU seconds | peak memory, MiB |\n| --- | ---: | ---: | ---: | ---: |")
    for kind in dict.fromkeys(one.case.kind for one in seen):
        _print_row(kind, [one for one in seen if one.case.kind == kind])
    _print_row("all", seen)
    wrong = [one for one in seen if not _is_fine(one)]
    for one in wrong:
        print(
            f"\n{one.case.kind}: {one.case.name}: exit {one.code}, {one.seconds:.2f} s, {one.grew >> 20} MiB, "
            f"{', '.join(one.forbidden) or 'nothing started'}\n{one.message[-600:]}"
        )
    sys.exit(bool(wrong))


def _print_row(kind: str, seen: list[Any]) -> None:
    refused, slowest = sum(one.refused for one in seen), max(one.seconds for one in seen)
    print(f"| {kind} | {len(seen)} | {refused} | {slowest:.2f} | {max(one.grew for one in seen) / 2**20:.0f} |")


def _is_fine(seen: Any) -> bool:
    return bool(seen.refused and seen.seconds < SLOWEST and seen.grew < MOST_MEMORY)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="read only every n-th input")
    parser.add_argument("--seed", type=int, default=0, help="of the random payloads")
    return parser.parse_args()


if __name__ == "__main__":
    main()
