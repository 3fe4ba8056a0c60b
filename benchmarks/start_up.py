"""How long the commands take that only read and answer, beside importing the libraries that they cannot do without.

Each runs in a fresh process, by turns; the figure is the least processor time of the rounds, which neighbours on the
machine change the least. `tests/test_import_budget.py` holds what of it can be counted.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

LIBRARIES = "import click, jsonschema, pluggy, pydantic, yaml"
COMMANDS = ("run --help", "run --validate spec.yaml", "run --collect-only spec.yaml", "methods", "schema")
SPEC = textwrap.dedent("""\
    version: 1
    name: start_up
    checkpoints: model.pt
    task: {name: tokens, path: data}
    method: {name: kv_circuit}
    faithfulness: {assert: [sparsity >= 0.5]}
    """)


def main() -> None:
    """Print seconds and their ratio to the libraries' for each command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    calls = {"the libraries": ["-c", LIBRARIES]}
    calls |= {f"mechint {command}": ["-m", "mechint", *command.split()] for command in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "spec.yaml").write_text(SPEC)
        Path(folder, "model.pt").touch()
        taken = [{name: _seconds(arguments, folder) for name, arguments in calls.items()} for _ in range(rounds)]
    least = {name: min(one[name] for one in taken) for name in calls}
    print("| | seconds | ratio |\n| --- | ---: | ---: |")
    for name, seconds in least.items():
        print(f"| {name} | {seconds:.3f} | {seconds / least['the libraries']:.2f} |")


def _seconds(arguments: list[str], folder: str) -> float:
    """Of processor time, by a fresh process of Python."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=folder, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
