"""What one catalog lets a spec say, compiled once and used for any number of specs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from pydantic_core import SchemaError, SchemaValidator, core_schema
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from mechint.spec.catalog import Catalog
from mechint.spec.options import OptionsModel
from mechint.spec.schema import Schema, compose_schema, properties_of

__all__ = ["Grammar", "compile_grammar"]

_DEEPEST_PATH = 5
_Plugins = tuple[tuple[str, type[OptionsModel] | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grammar:
    """A catalog with its schema and the validator of that schema."""

    catalog: Catalog
    schema: Mapping[str, Any]
    validator: Validator

    def options(self, kind: str, name: object) -> Schema | None:
        """The options of the ``method``, ``task`` or ``tracker`` of that name; None if it is unknown or not loaded."""
        catalog = self.catalog
        plugins = {"method": catalog.methods, "task": catalog.tasks, "tracker": catalog.trackers}
        if not isinstance(name, str) or plugins.get(kind, {}).get(name) is None:
            return None
        return properties_of(self.schema["$defs"][f"{kind}.{name}"], self.schema)

    def properties(self, section: str, name: object = None) -> Schema:
        """The keys of a top-level section, options of the plugin ``name`` included."""
        own: Schema = self.schema["properties"][section].get("properties", {})
        return own | (self.options(section, name) or {})

    def paths(self, section: str, name: object = None) -> Iterator[tuple[str, Schema]]:
        """Every dotted path below a section, with the schema of its value."""
        yield from self._paths(section, self.properties(section, name), depth=1)

    def _paths(self, prefix: str, properties: Schema, depth: int) -> Iterator[tuple[str, Schema]]:
        for key, schema in properties.items():
            yield f"{prefix}.{key}", schema
            if depth < _DEEPEST_PATH:
                yield from self._paths(f"{prefix}.{key}", properties_of(schema, self.schema), depth + 1)


def compile_grammar(catalog: Catalog) -> Grammar:
    """Compose the schema of a catalog and make its validator, which fetches nothing and takes no bool for a number.

    Catalogs of the same content have one grammar, since most specs of a folder name the same plugins.
    """
    methods, tasks, trackers = (tuple(of.items()) for of in (catalog.methods, catalog.tasks, catalog.trackers))
    return _compile(methods, tasks, trackers, catalog.metrics, catalog.measures, catalog.learns_masks)


@lru_cache(maxsize=32)
def _compile(
    methods: _Plugins,
    tasks: _Plugins,
    trackers: _Plugins,
    metrics: tuple[str, ...],
    measures: tuple[str, ...],
    learns_masks: frozenset[str],
) -> Grammar:
    catalog = Catalog(
        methods=dict(methods),
        tasks=dict(tasks),
        trackers=dict(trackers),
        metrics=metrics,
        measures=measures,
        learns_masks=learns_masks,
    )
    schema = compose_schema(catalog)
    registry: Registry[Any] = Registry()  # knows no address and retrieves none
    kinds = _strict_types()
    strict = extend(Draft202012Validator, {"pattern": _matches}, type_checker=kinds)  # type: ignore[no-untyped-call]
    root = DRAFT202012.create_resource(schema)
    validator = strict(schema, registry=registry, _resolver=registry.resolver_with_root(root))
    return Grammar(catalog=catalog, schema=schema, validator=validator)


def _matches(validator: Any, pattern: str, instance: object, _: object) -> Iterator[ValidationError]:
    """The keyword ``pattern`` by pydantic's engine: Python's own takes for ever on some patterns and texts."""
    finder = _finder(pattern) if validator.is_type(instance, "string") else None
    if finder is not None and not finder.isinstance_python(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


@lru_cache(maxsize=256)
def _finder(pattern: str) -> SchemaValidator | None:
    """None for a pattern that the engine does not know; pydantic judges it where the options are made."""
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern))
    except SchemaError:
        return None


def _strict_types() -> Any:
    def is_integer(_: object, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    return Draft202012Validator.TYPE_CHECKER.redefine("integer", is_integer)
