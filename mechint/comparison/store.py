"""``comparison.json``, written whole and read with an error that says what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mechint.comparison.values import Comparison
from mechint.errors import UsageError
from mechint.files import write_text
from mechint.results.store import read_json

__all__ = ["COMPARISON", "comparison_schema", "read_comparison", "write_comparison"]

COMPARISON = "comparison.json"


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Write ``comparison.json``, with keys in the order of the schema."""
    write_text(folder / COMPARISON, comparison.model_dump_json(indent=2) + "\n")


def read_comparison(path: Path) -> Comparison:
    """Read a ``comparison.json``, or raise a UsageError that says where and why it cannot be read."""
    try:
        return Comparison.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{path}: not a comparison of mechint: {where}: {first['msg'].lower()}") from None


def comparison_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of ``comparison.json``."""
    schema = Comparison.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:mechint:comparison:1",
        **schema,
        "title": "comparison.json of mechint",
    }
