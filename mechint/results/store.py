"""Reports and curves on disk: written whole or not at all, and read with an error that says what is wrong."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from mechint.codes import Code
from mechint.errors import UsageError
from mechint.files import read_bounded, sha256_of, write_text
from mechint.results.redact import redact
from mechint.results.values import ItemReport, RunReport
from mechint.spec.names import checked_name

__all__ = [
    "DONE",
    "damaged_files",
    "is_folder_name",
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
_MOST_BYTES = 256 << 20
_MOST_VALUES = 4_000_000
_FOLDER = re.compile(r"(?![.-])[A-Za-z0-9_.+-]{1,200}")
_CONFLICT = re.compile(r"[<=>|]{7}( |$)")
"""A line that git leaves where two versions of a file could not be merged."""


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
        raise UsageError(f"{path}: not a report of mechint: it has no schema_version", code=Code.UNREADABLE_RESULTS)
    version = document["schema_version"]
    if isinstance(version, int) and version > _VERSION:
        raise UsageError(
            f"{path}: schema_version {version} is newer than this mechint reads ({_VERSION})\n"
            "  hint: upgrade mechint, or run the spec again with this one",
            code=Code.UNREADABLE_RESULTS,
        )
    try:
        report = RunReport.model_validate(document)
        checked_name(report.spec.name)
    except ValidationError as error:
        faults = [f"{path}: {_where(fault['loc'])}: {fault['msg']}" for fault in error.errors()]
        raise UsageError(
            "\n".join(faults[:10] + [f"and {len(faults) - 10} more"] * (len(faults) > 10)), code=Code.UNREADABLE_RESULTS
        ) from None
    except ValueError as error:
        raise UsageError(f"{path}: spec.name: {error}", code=Code.UNREADABLE_RESULTS) from None
    for item in report.items:
        _refuse_misfit(path, item)
    return report


def is_folder_name(item_id: str) -> bool:
    """Whether an item's id, which may have been edited, names a folder below the run's and nothing else."""
    return _FOLDER.fullmatch(item_id) is not None


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
            raise UsageError(f"{path}:{number}: expected an object, found {line[:40]!r}", code=Code.UNREADABLE_RESULTS)
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


def _refuse_misfit(path: Path, item: ItemReport) -> None:
    """A report may have been edited: what runs promise of an item is not believed."""
    if not is_folder_name(item.id):
        raise UsageError(f"{path}: {ascii(item.id)[:100]} cannot be an item's id, which names a folder beside the file")
    for effects in item.effects:
        if not is_folder_name(effects.name):
            raise UsageError(f"{path}: {ascii(effects.name)[:100]} cannot name a map, and so its files")
    if item.measured and (item.checkpoint is None or item.methodology is None):
        raise UsageError(f"{path}: {item.id} has no error, and lacks the checkpoint or the methodology of its measures")


def _differs(path: Path, sha256: str) -> bool:
    try:
        return sha256_of(path) != sha256
    except OSError:
        return True


def _read_text(path: Path) -> str:
    try:
        return read_bounded(path, _MOST_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", code=Code.UNREADABLE_RESULTS) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text", code=Code.UNREADABLE_RESULTS) from None


def _parse(text: str, path: Path, *, first_line: int) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise UsageError(f"{path}: {constant} is not a number that JSON has", code=Code.UNREADABLE_RESULTS)

    # Counted before parsing: an empty list takes two bytes in the file and some sixty in memory.
    if text.count(",") + text.count("[") + text.count("{") > _MOST_VALUES:
        raise UsageError(f"{path}: has more than {_MOST_VALUES:,} values", code=Code.UNREADABLE_RESULTS)
    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        if _CONFLICT.match(text.split("\n")[error.lineno - 1]):
            raise UsageError(
                f"{path}:{line}: has the marks of an unfinished merge; choose one side", code=Code.UNREADABLE_RESULTS
            ) from None
        why = "ends in the middle of a value" if error.pos >= len(text.rstrip()) else error.msg.lower()
        raise UsageError(f"{path}:{line}:{error.colno}: not JSON: {why}", code=Code.UNREADABLE_RESULTS) from None
    except RecursionError:
        raise UsageError(f"{path}: nested too deeply to be a report", code=Code.UNREADABLE_RESULTS) from None
    except _TwiceError as error:
        raise UsageError(
            f"{path}: has the key {error} twice, so it is damaged or made to mislead", code=Code.UNREADABLE_RESULTS
        ) from None
    except ValueError:  # Python's own limit
        raise UsageError(f"{path}: has a number of thousands of digits", code=Code.UNREADABLE_RESULTS) from None


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise _TwiceError(ascii(Counter(key for key, _ in pairs).most_common(1)[0][0])[:100])
    return value


class _TwiceError(ValueError):
    """A key stands twice in one object."""


def _finite(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _writable(value) for key, value in row.items()}


def _writable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return redact(value) if isinstance(value, str) else value


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "the document"
