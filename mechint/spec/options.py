"""The base of everything a spec can set."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["OptionsModel"]


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
