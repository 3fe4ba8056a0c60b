"""Reports and curves on disk: written whole or not at all, and read with an error that says what is wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from mechint.errors import UsageError
from mechint.files import sha256_of, write_text
from mechint.results.values import ItemReport, RunReport

__all__ = [
    "DONE",
    "damaged_files",
    "read_json",
    "read_metrics",
    "read_report",
    "results_schema",
    "write_done",
    "write_item",
    "write_metrics",
    "write_report",
]

DONE = "DONE"
"""Name of the file that says an item's folder is complete."""

_VERSION = 1


def write_report(report: RunReport, folder: Path) -> None:
    """Write ``results.json``, with keys in the order of the schema."""
    write_text(folder / "results.json", report.model_dump_json(indent=2) + "\n")


def write_item(report: ItemReport, folder: Path) -> None:
    """Write ``result.json`` into the item's own folder."""
    write_text(folder / "result.json", report.model_dump_json(indent=2) + "\n")


def read_report(path: Path) -> RunReport:
    """Read a ``results.json``, or raise a UsageError that says where and why it cannot be read."""
    document = read_json(path)
    if not isinstance(document, dict) or "schema_version" not in document:
        raise UsageError(f"{path}: not a report of mechint: it has no schema_version")
    version = document["schema_version"]
    if isinstance(version, int) and version > _VERSION:
        raise UsageError(
            f"{path}: schema_version {version} is newer than this mechint reads ({_VERSION})\n"
            "  hint: upgrade mechint, or run the spec again with this one"
        )
    try:
        return RunReport.model_validate(document)
    except ValidationError as error:
        faults = [f"{path}: {_where(fault['loc'])}: {fault['msg']}" for fault in error.errors()]
        raise UsageError("\n".join(faults[:10] + [f"and {len(faults) - 10} more"] * (len(faults) > 10))) from None


def results_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of ``results.json``."""
    schema = RunReport.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:mechint:results:{_VERSION}",
        **schema,
        "title": "results.json of mechint",
    }


def write_metrics(rows: Iterable[Mapping[str, float | int | str | None]], path: Path) -> None:
    """Write a journal's rows as JSON lines; a NaN or an infinity, as of a diverging loss, becomes null."""
    write_text(path, "".join(json.dumps(_finite(row), allow_nan=False) + "\n" for row in rows))


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read ``metrics.jsonl``, or raise a UsageError that names the line."""
    rows = []
    for number, line in enumerate(_read_text(path).splitlines(), start=1):
        row = _parse(line, path, first_line=number) if line.strip() else {}
        if not isinstance(row, dict):
            raise UsageError(f"{path}:{number}: expected an object, found {line[:40]!r}")
        if row:
            rows.append(row)
    return rows


def write_done(folder: Path) -> None:
    """Write ``DONE``: the sha256 of every other file below the folder. Call it last; hidden files are not listed."""
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and path != folder / DONE and not path.name.startswith(".")
    )
    hashes = {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
    write_text(folder / DONE, json.dumps(hashes, indent=2) + "\n")


def damaged_files(folder: Path) -> list[str] | None:
    """The files that ``DONE`` lists and that are missing or other than they were; None without a ``DONE``."""
    try:
        hashes = json.loads((folder / DONE).read_bytes())
    except OSError:
        return None
    except ValueError:
        return [DONE]
    return [name for name, sha256 in hashes.items() if not (folder / name).is_file() or _differs(folder / name, sha256)]


def read_json(path: Path) -> Any:
    """The value of a JSON file; UsageError that says where and why it cannot be read."""
    return _parse(_read_text(path), path, first_line=1)


def _differs(path: Path, sha256: str) -> bool:
    try:
        return sha256_of(path) != sha256
    except OSError:
        return True


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text") from None


def _parse(text: str, path: Path, *, first_line: int) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise UsageError(f"{path}: {constant} is not a number that JSON has")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        why = "ends in the middle of a value" if error.pos >= len(text.rstrip()) else error.msg.lower()
        raise UsageError(f"{path}:{line}:{error.colno}: not JSON: {why}") from None
    except RecursionError:
        raise UsageError(f"{path}: nested too deeply to be a report") from None


def _finite(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "the document"
