"""A small JSON file as a value: read strictly, within bounds, with every fault at its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mechint.checkpoint.strict_json import parse_json
from mechint.errors import CheckpointError, DataError
from mechint.files import read_bounded

__all__ = ["read_json_file"]

MOST_BYTES = 1 << 26
MOST_VALUES = 10_000_000

_Content = TypeVar("_Content", bound=BaseModel)


def read_json_file(path: Path | str, kind: type[_Content], example: str) -> _Content:
    """The file's content; ``example`` shows what is expected. Raises DataError where the file holds something else."""
    try:
        raw = read_bounded(path, MOST_BYTES)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    try:
        # Read twice: strictly, and then by a parser that knows what is expected and converts nothing.
        _: Any = parse_json(f"{path}:", raw, most_values=MOST_VALUES)
        return kind.model_validate_json(raw)
    except CheckpointError as error:
        raise DataError(str(error)) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "".join(f"{part}: " for part in [".".join(map(str, first["loc"]))] if part)
        raise DataError(f"{path}: {place}{first['msg'].lower()}; it is {example}") from None
