"""The part of the schema that a plugin's options give, which the plugin's author may have written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from mechint.errors import PluginError, first_line
from mechint.spec.options import OptionsModel

__all__ = ["options_schema"]


def options_schema(plugin: str, model: type[OptionsModel], reference: str) -> dict[str, Any]:
    """The schema of a plugin's options, with references like ``reference``, which ends in ``{model}``.

    Raises PluginError, which names the plugin, for one that is no schema, or that leads elsewhere or in a circle.
    """
    if model.__module__.startswith("mechint."):  # these are tested
        return model.model_json_schema(ref_template=reference)
    try:
        schema = model.model_json_schema(ref_template=reference)
        Draft202012Validator.check_schema(schema)
    except Exception as error:  # pydantic's own, a KeyError for a reference to nothing, whatever a plugin raises
        raise PluginError(f"the options of {plugin} have no valid schema: {first_line(error)}") from None
    definitions = {reference.format(model=name): one for name, one in schema.get("$defs", {}).items()}
    for address in _references(schema):
        if address not in definitions:
            raise PluginError(
                f"the schema of the options of {plugin} refers to {address!r:.100}, which is no part of it"
            )
        _refuse_circle(plugin, address, definitions)
    return schema


def _references(schema: Any) -> Iterator[str]:
    """Where the schema refers to, anywhere in it."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in ("$ref", "$dynamicRef", "$schema", "$id") and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _refuse_circle(plugin: str, address: str, definitions: Mapping[str, Any]) -> None:
    """Raise PluginError where references lead to nothing but references, and in the end to the first."""
    seen = {address}
    while (there := definitions.get(address)) is not None and isinstance(there.get("$ref"), str):
        address = there["$ref"]
        if address in seen:
            raise PluginError(f"the schema of the options of {plugin} refers to {address!r:.100} in a circle")
        seen.add(address)
