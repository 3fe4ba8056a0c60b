"""One JSON Schema (2020-12) for a spec, composed from the core's sections and the options of plugins.

Editors complete and check a spec with it, and so does ``validate``. A plugin's options come in by a branch
``if name is … then …``; under ``oneOf`` a single typing error would read as a failure of every branch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from mechint.errors import PluginError
from mechint.spec.catalog import Catalog
from mechint.spec.fragment import options_schema
from mechint.spec.header import Header
from mechint.spec.options import OptionsModel
from mechint.spec.schedules import Schedules
from mechint.spec.values import Faithfulness

__all__ = ["Schema", "compose_schema", "properties_of", "resolve"]

Schema = dict[str, Any]

_REFERENCE = "#/$defs/"
_MAP_OF_SCHEMAS = ("properties", "patternProperties", "$defs")
_LISTS_OF_SCHEMAS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties", "contains", "propertyNames", "if", "then", "else", "not")
# Keywords that bind values of one type only.
_NUMBERS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_STRINGS = {"minLength", "maxLength", "pattern", "format"}
_LISTS = {"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}
_MAPPINGS = {"properties", "required", "additionalProperties"}
_MERGEABLE = frozenset({"type", "description"} | _NUMBERS | _STRINGS | _LISTS | _MAPPINGS)


def compose_schema(catalog: Catalog) -> Schema:
    """The schema of a spec that may use everything in the catalog."""
    defs: Schema = {}
    header = _section(Header, "header", defs)
    _allow_bare_paths(header["properties"]["checkpoints"], defs)
    for mark in ("xfail", "skip"):
        _allow_one(header["properties"][mark])
    faithfulness = _section(Faithfulness, "faithfulness", defs)
    schedules = _section(Schedules, "schedules", defs)
    for schedule in schedules["properties"].values():
        _allow_bare_word(schedule, defs)
    _allow_sentences(faithfulness, defs, catalog.measures)
    metric = {
        "type": "string",
        "enum": list(catalog.metrics),
        "default": "loss",
        "description": "What the search and the protocol compute for each example.",
    }
    properties = header["properties"]
    first = {key: properties.pop(key) for key in ("version", "name", "description", "tags", "checkpoints")}
    sections = {
        "task": _choice("task", catalog.tasks, {"metric": metric}, defs),
        "method": _choice("method", catalog.methods, {}, defs),
        "schedules": {**schedules, "description": Schedules.__doc__},
        "matrix": _matrix(),
        "faithfulness": faithfulness,
    }
    trackers = _trackers(catalog, {*first, *sections, *properties}, defs)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mechint spec",
        "description": "Which circuits to look for in which checkpoints, and how faithful they must be.",
        "type": "object",
        "properties": {**first, **sections, **trackers, **properties},
        "additionalProperties": False,
        # What an included file may state: the program knows it, an editor does not.
        "allOf": [
            {"if": {"not": {"required": ["include"]}}, "then": {"required": [*header["required"], "task", "method"]}}
        ],
        **_no_schedules_without_masks(catalog),
        "$defs": defs,
    }


def resolve(schema: Any, root: Mapping[str, Any]) -> Schema:
    """The schema behind a reference of the composed schema; the schema itself if it is none."""
    while isinstance(schema, dict) and "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix(_REFERENCE)]
    return schema if isinstance(schema, dict) else {}


def properties_of(schema: Any, root: Mapping[str, Any]) -> Schema:
    """The keys that a mapping may have under any branch of its schema, each with its own schema."""
    schema = resolve(schema, root)
    found: Schema = dict(schema.get("properties", {}))
    branches = [part for keyword in ("anyOf", "oneOf", "allOf") for part in schema.get(keyword, ())]
    branches += [schema[keyword] for keyword in ("then", "else") if keyword in schema]
    for branch in branches:
        for key, value in properties_of(branch, root).items():
            found.setdefault(key, value)
    return found


def _section(model: type[OptionsModel], prefix: str, defs: Schema) -> Schema:
    """A model's schema, tidied, after adding what it refers to under names that begin with the prefix."""
    schema = options_schema(prefix.replace(".", " ", 1), model, f"{_REFERENCE}{prefix}.{{model}}")
    for name, definition in schema.pop("$defs", {}).items():
        defs[f"{prefix}.{name}"] = _tidy(definition)
    tidy: Schema = _tidy(schema)
    return tidy


def _choice(kind: str, plugins: Mapping[str, type[OptionsModel] | None], own: Schema, defs: Schema) -> Schema:
    """``{name: …, its options}``: one branch a plugin; options of a name that is unknown or not loaded pass."""
    branches = []
    for name, model in plugins.items():
        then: Schema = {"additionalProperties": True}
        if model is not None:
            options = _section(model, f"{kind}.{name}", defs)
            if taken := {"name", *own} & set(options.get("properties", ())):
                raise PluginError(f"{kind} {name} has an option {min(taken)!r}, a key that {kind!r} has itself")
            # The keys of the section itself stand beside the options, so it is the section that refuses others.
            options.pop("additionalProperties", None)
            defs[f"{kind}.{name}"] = options
            then = {"$ref": f"{_REFERENCE}{kind}.{name}"}
        branches.append({"if": _named([name]), "then": then})
    name_schema = {"type": "string", "enum": list(plugins), "description": f"The {kind} plugin."}
    return {
        "description": f"The {kind} and its options.",
        "type": "object",
        "properties": {"name": name_schema, **own},
        "required": ["name"],
        "allOf": [*branches, {"if": _named(list(plugins)), "else": {"additionalProperties": True}}],
        "unevaluatedProperties": False,
    }


def _named(names: list[str]) -> Schema:
    return {"properties": {"name": {"enum": names}}, "required": ["name"]}


def _trackers(catalog: Catalog, taken: Collection[str], defs: Schema) -> Schema:
    """A key of the top level for each plugin that tracks runs; one that is not loaded may be set to anything."""
    sections: Schema = {}
    for name, model in catalog.trackers.items():
        if model is None:
            sections[name] = {"description": f"Options of {name}, if it tracks runs."}
        elif name in taken:
            raise PluginError(f"the tracker {name!r} has the name of a key that specs have themselves")
        else:
            defs[f"tracker.{name}"] = _section(model, f"tracker.{name}", defs)
            sections[name] = {"description": f"Tracks the run with {name}.", "$ref": f"{_REFERENCE}tracker.{name}"}
    return {name: section for name, section in sections.items() if name not in taken}


def _matrix() -> Schema:
    return {
        "description": "Dotted paths such as method.target_sparsity, each with a list of values to try; one item for "
        "each combination.",
        "type": "object",
        "additionalProperties": {"type": "array", "minItems": 1},
        "default": {},
    }


def _no_schedules_without_masks(catalog: Catalog) -> Schema:
    unscheduled = [name for name in catalog.methods if name not in catalog.learns_masks]
    if not unscheduled:
        return {}
    return {
        "if": {"properties": {"method": {**_named(unscheduled), "type": "object"}}, "required": ["method"]},
        "then": {"properties": {"schedules": False}},
    }


def _allow_bare_paths(checkpoints: Schema, defs: Schema) -> None:
    """Let ``runs/*.pt`` stand for ``{path: runs/*.pt}``, and one reference for a list of it."""
    mapping = checkpoints["items"]
    shortest = defs[mapping["$ref"].removeprefix(_REFERENCE)]["properties"]["path"]["minLength"]
    rules = {"minLength": shortest, "if": {"type": "object"}, "then": mapping}
    checkpoints |= {**rules, "items": {"type": ["string", "object"], **rules}, "type": ["string", "object", "array"]}


def _allow_one(marks: Schema) -> None:
    """Let ``{reason: …}`` stand for a list of it."""
    marks |= {"type": ["object", "array"], "if": {"type": "object"}, "then": marks["items"]}


def _allow_bare_word(schedule: Schema, defs: Schema) -> None:
    """Let ``cubic`` stand for ``{shape: cubic}``."""
    mapping = {"$ref": schedule.pop("$ref")}
    shape = defs[mapping["$ref"].removeprefix(_REFERENCE)]["properties"]["shape"]
    schedule |= {"if": {"type": "string"}, "then": {"enum": shape["enum"]}, "else": mapping}
    schedule["type"] = ["string", "object"]


def _allow_sentences(faithfulness: Schema, defs: Schema, measures: tuple[str, ...]) -> None:
    """Let ``faithfulness >= 0.8`` stand for an assertion's mapping, and list the measures it may name."""
    properties = defs["faithfulness.Assertion"]["properties"]
    properties["metric"]["enum"] = list(measures)
    for name in ("metric", "effect", "peak", "of"):  # left out, never empty
        del properties[name]["default"]
    assertions = faithfulness["properties"]["assert"]
    assertions["items"] = {"type": ["string", "object"], "if": {"type": "object"}, "then": assertions["items"]}
    assertions["description"] = "What must hold: sentences such as 'faithfulness >= 0.8', or mappings."


def _tidy(schema: Any) -> Any:  # a schema can be true or false too
    """The schema without generated titles and line breaks, and with alternatives of plain types in one."""
    if not isinstance(schema, dict):
        return schema
    tidy: Schema = {key: value for key, value in schema.items() if key != "title"}
    if "description" in tidy:
        tidy["description"] = " ".join(tidy["description"].split())
    for key in _MAP_OF_SCHEMAS:
        if key in tidy:
            tidy[key] = {name: _tidy(value) for name, value in tidy[key].items()}
    for key in _LISTS_OF_SCHEMAS:
        if key in tidy:
            tidy[key] = [_tidy(value) for value in tidy[key]]
    for key in _SCHEMAS:
        if key in tidy:
            tidy[key] = _tidy(tidy[key])
    return _merge_types(tidy)


def _merge_types(schema: Schema) -> Schema:
    """Turn ``anyOf`` number or null into ``type: [number, null]``, whose errors say what they expect."""
    branches = schema.get("anyOf", ())
    keywords = [key for branch in branches for key in branch if key != "type"]
    apart = len(set(keywords)) == len(keywords) and _MERGEABLE.issuperset(keywords)
    if not branches or not apart or not all(isinstance(branch.get("type"), str) for branch in branches):
        return schema
    merged = {key: value for branch in branches for key, value in branch.items()}
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**merged, **rest, "type": [branch["type"] for branch in branches]}
