"""The base of everything a spec can set."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, ValidatorFunctionWrapHandler, WrapValidator
from pydantic.json_schema import WithJsonSchema

__all__ = ["AUTO", "BatchSize", "OptionsModel"]


class OptionsModel(BaseModel):
    """Frozen, strict about names, finite; the docstring under each field becomes its description in the schema.

    A plugin's ``Options`` derive from this. The JSON Schema made from it is what a spec is validated against.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        validate_default=True,
    )


class _Auto(int):
    """No number of examples: 0, which no spec may state."""

    def __reduce__(self) -> str:
        return "AUTO"  # the same object, in a worker too


AUTO = _Auto(0)
"""A BatchSize that a spec states as ``auto``; the engine puts a number in its place before a method runs."""


def _read_batch_size(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    return AUTO if value == "auto" or isinstance(value, _Auto) else read(value)


BatchSize = Annotated[
    int,
    Field(ge=1),
    WrapValidator(_read_batch_size),
    PlainSerializer(lambda value: value or "auto", return_type=int | str),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]}),
]
"""How many examples run together: a number, or ``auto`` for as many of a few as the memory holds."""
