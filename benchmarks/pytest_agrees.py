"""Every shipped spec by ``mechint-run`` and by ``pytest``, alone and with workers: do they agree, verdict by verdict?

The checkpoints and data are those of a folder in which ``make mechint`` has run; without ``--full`` the specs get tiny
budgets, so that their verdicts mean nothing, and both roads get the same ones. What the first road has measured the
others find in the cache, which they do only where their settings are the same to the bit.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml

from mechint.pytest_plugin.names import sentence_names

ROOT = Path(__file__).resolve().parents[1]
BUDGETS: Mapping[str, int] = {
    "steps": 12,
    "train": 8,
    "validation": 8,
    "points": 2,
    "draws": 1,
    "check": 2,
    "minimality": 1,
    "stability": 1,
}
ROADS: Mapping[str, tuple[str, ...]] = {"pytest": (), "pytest -n 2": ("-n", "2")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """What one program said of a spec."""

    code: int
    verdicts: Mapping[str, str]
    """By item and assertion: passed, failed, skipped or error, in JUnit's words."""


def main() -> None:
    """Print a row a spec; exit status 1 where the roads disagree."""
    arguments = _arguments()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Those of the large model last.
    specs = sorted((ROOT / "specs").rglob("*.yaml"), key=lambda path: ("smollm2" in path.name, path))
    chosen = [path for path in specs if arguments.only in path.name]
    agreed = True
    print("| spec | verdicts | mechint-run | pytest | pytest -n 2 | agree |\n| --- | ---: | ---: | ---: | ---: | --- |")
    with tempfile.TemporaryDirectory() as folder:
        _set_up(Path(folder), arguments.checkpoints.resolve(), full=arguments.full)
        for path in chosen:
            agreed &= _compare(Path(folder), str(path.relative_to(ROOT)))
    sys.exit(not agreed)


def _set_up(folder: Path, checkpoints: Path, *, full: bool) -> None:
    for name in ("output", "data"):
        (folder / name).symlink_to(checkpoints / name)
    (folder / "tests").symlink_to(ROOT / "tests")
    shutil.copytree(ROOT / "specs", folder / "specs")
    for path in () if full else (folder / "specs").rglob("*.yaml"):
        path.write_text(yaml.safe_dump(_shrunk(yaml.safe_load(path.read_text())), sort_keys=False))


def _shrunk(value: Any) -> Any:
    """The document with every budget in it at most what is spent here."""
    if isinstance(value, dict):
        return {
            key: min(entry, BUDGETS[key]) if key in BUDGETS and isinstance(entry, int) else _shrunk(entry)
            for key, entry in value.items()
        }
    return [_shrunk(entry) for entry in value] if isinstance(value, list) else value


def _compare(folder: Path, spec: str) -> bool:
    """Run one spec by all roads and print what they said."""
    first = _by_mechint(folder, spec)
    others = {name: _by_pytest(folder, spec, arguments) for name, arguments in ROADS.items()}
    same = all(other.verdicts == first.verdicts and (other.code == 0) == (first.code == 0) for other in others.values())
    codes = " | ".join(str(other.code) for other in others.values())
    print(f"| {spec} | {len(first.verdicts)} | {first.code} | {codes} | {'yes' if same else 'NO'} |", flush=True)
    for name, other in others.items():
        for test in sorted({*first.verdicts, *other.verdicts}):
            here, there = first.verdicts.get(test, "missing"), other.verdicts.get(test, "missing")
            if here != there:
                print(f"  {test}: {here} by mechint-run, {there} by {name}")
    return same


def _by_mechint(folder: Path, spec: str) -> Road:
    output = yaml.safe_load((folder / spec).read_text())["output_dir"]
    ran = _run(folder, [sys.executable, "-m", "mechint", "run", "-q", spec])
    results = folder / output / "results.json"
    items = json.loads(results.read_text())["items"] if results.is_file() else []
    return Road(code=ran, verdicts=dict(found for item in items for found in _said(item)))


def _said(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What JUnit would say of each assertion of an item; of a broken one, which has no verdicts, once."""
    if item["error"] is not None:
        yield f"{item['id']}::", "error"
        return
    words = {"passed": "passed", "warned": "passed", "failed": "failed", "undecided": "failed"}
    names = sentence_names([verdict["text"] for verdict in item["verdicts"]])
    outcomes = [words[verdict["outcome"]] for verdict in item["verdicts"]] or ["passed"]
    yield from ((f"{item['id']}::{name}", outcome) for name, outcome in zip(names, outcomes, strict=True))


def _by_pytest(folder: Path, spec: str, arguments: tuple[str, ...]) -> Road:
    report = folder / "junit.xml"
    report.unlink(missing_ok=True)
    plugin = [] if _INSTALLED else ["-p", "mechint.pytest_plugin"]
    options = [*plugin, "-p", "no:cacheprovider", "--rootdir=.", "-q", f"--junitxml={report}", *arguments]
    code = _run(folder, [sys.executable, "-m", "pytest", spec, *options])
    if not report.is_file():
        return Road(code=code, verdicts={})
    verdicts: dict[str, str] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        item = str(case.get("classname")).rpartition(".yaml.")[2]
        word = next((word for tag, word in _TAGS.items() if case.find(tag) is not None), "passed")
        verdicts[f"{item}::" if word == "error" else f"{item}::{case.get('name')}"] = word
    return Road(code=code, verdicts=verdicts)


_INSTALLED = any(point.value == "mechint.pytest_plugin" for point in entry_points(group="pytest11"))
_TAGS = {"error": "error", "failure": "failed", "skipped": "skipped"}


def _run(folder: Path, command: list[str]) -> int:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MECHINT_CACHE_DIR": str(folder / "cache")}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode not in (0, 1, 7, 8):
        print(ran.stdout[-2000:], ran.stderr[-2000:], sep="\n")
    return ran.returncode


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoints", type=Path, default=ROOT, help="folder with output/ and data/")
    parser.add_argument("--full", action="store_true", help="the specs' own budgets")
    parser.add_argument("--only", default="", help="specs whose names hold this")
    return parser.parse_args()


if __name__ == "__main__":
    main()
