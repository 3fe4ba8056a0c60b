"""Reading a config.json: the settings of a model of transformers, as plain values within bounds."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from mechint.checkpoint.opened import read_small
from mechint.checkpoint.sizes import CONFIG_SIZES, find_wrong_size
from mechint.checkpoint.strict_json import parse_json
from mechint.errors import CheckpointError

__all__ = ["LARGEST_CONFIG", "parse_config", "read_config"]

LARGEST_CONFIG = 10_000_000
"""In bytes."""

_MOST_VALUES = 1_000_000
_DEEPEST = 32
_MODEL_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HIDDEN_NAME = re.compile(r"__.*__")
"""Names that mean something to Python when a config's entries become attributes."""
_FLOAT_TAG = "__float__"
"""The key of the object that transformers saves in place of a number that JSON does not have."""


def read_config(path: str) -> dict[str, Any]:
    """The entries of a config.json; nothing that it names is fetched or run.

    Raises CheckpointError for a file that is no strict JSON, names no ``model_type``, states a number that is not
    finite or a size that no model has, or belongs to quantised weights.
    """
    return parse_config(path, read_small(path, LARGEST_CONFIG))


def parse_config(path: str, raw: bytes) -> dict[str, Any]:
    """As ``read_config``, for a file whose bytes are at hand."""
    config = parse_json(f"{path}:", raw, most_values=_MOST_VALUES)
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: holds no object of settings")
    for key, value in _walk(path, config):
        _check_entry(path, key, value)
    kind = config.get("model_type")
    if not isinstance(kind, str) or not _MODEL_TYPE.fullmatch(kind):
        found = "has no model_type" if kind is None else f"has the model_type {ascii(kind)[:80]}"
        raise CheckpointError(f"{path}: {found}; expected the name of a kind of model, such as 'llama'")
    return config


def _walk(path: str, config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every key with its value, and every item of a list with the list's key, at all depths."""
    waiting: list[tuple[int, str, Any]] = [(0, "", config)]
    while waiting:
        depth, key, value = waiting.pop()
        if depth > _DEEPEST:
            raise CheckpointError(f"{path}: is nested deeper than {_DEEPEST} levels")
        yield key, value
        if isinstance(value, dict):
            waiting += [(depth + 1, name, inner) for name, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(depth + 1, key, inner) for inner in value]


def _check_entry(path: str, key: str, value: object) -> None:
    if key and isinstance(value, dict) and _FLOAT_TAG in value:
        raise CheckpointError(f"{path}: states an infinite or NaN setting, {ascii(key)[:60]}, which is not read")
    if isinstance(value, float) and not math.isfinite(value):
        raise CheckpointError(f"{path}: {ascii(key)[:60]} is a number beyond all bounds")
    if _HIDDEN_NAME.fullmatch(key):
        raise CheckpointError(f"{path}: has the key {ascii(key)[:60]}, which is no setting of a model")
    is_size = key in CONFIG_SIZES and value is not None and not isinstance(value, list)
    if is_size and (wrong := find_wrong_size(key, value, CONFIG_SIZES[key])):
        raise CheckpointError(f"{path}: {key} is {wrong}")
    if key == "quantization_config" and value is not None:
        method = value.get("quant_method") if isinstance(value, dict) else None
        named = f" ({method})" if isinstance(method, str) and _MODEL_TYPE.fullmatch(method) else ""
        raise CheckpointError(
            f"{path}: its weights are quantised{named}, which is not read; dequantise the model and save it again"
        )
