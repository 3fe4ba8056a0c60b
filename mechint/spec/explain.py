"""What ``jsonschema`` found, in the words of somebody who writes specs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jsonschema import ValidationError

from mechint.codes import Code
from mechint.spec.document import Finding, KeyPath, dotted
from mechint.spec.grammar import Grammar
from mechint.spec.nodes import MAX_FAULTS
from mechint.spec.scalars import UnusableNumberError, describe_value, quote, resolve_plain
from mechint.spec.schema import properties_of
from mechint.spec.suggest import closest, did_you_mean

__all__ = ["explain", "known_list", "label"]

_TYPES = {
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "above",
    "exclusiveMaximum": "below",
    "multipleOf": "a multiple of",
}
_LENGTHS = {
    "minItems": "at least {} long",
    "maxItems": "at most {} long",
    "minLength": "at least {} long",
    "maxLength": "at most {} long",
    "minProperties": "at least {} keys long",
    "maxProperties": "at most {} keys long",
}
_TRUE_WORDS = ("yes", "on", "y", "true")
_FALSE_WORDS = ("no", "off", "n", "false")
_LONGEST_LIST = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class _Broken:
    """One rule that a value breaks."""

    path: KeyPath
    keyword: str
    rule: Any
    """What the schema gives for the keyword."""
    found: Any
    schema: Any
    """The schema that the rule stands in."""


def explain(grammar: Grammar, error: ValidationError, spec: Mapping[str, Any], prefix: KeyPath = ()) -> list[Finding]:
    """The findings behind one error; ``prefix`` leads to the value that was validated."""
    broken = _broken_rule(error, prefix)
    if broken.schema is False and not prefix:  # the one key that a schema forbids; jsonschema leaves its path out
        return [_refused_schedules(spec)]
    if broken.keyword in ("anyOf", "oneOf"):
        return _explain_alternatives(grammar, broken, list(error.context or ()), spec, prefix)
    if broken.keyword in ("unevaluatedProperties", "additionalProperties"):
        return list(_unknown_keys(grammar, broken, spec))
    if broken.keyword == "required":
        return [_missing_key(broken, key) for key in broken.rule if key not in broken.found]
    handler = _HANDLERS.get(broken.keyword, _explain_rest)
    return [handler(broken)]


def label(path: KeyPath) -> str:
    """A value's name in a message: its key, with its number in a list."""
    named = next((i for i in range(len(path) - 1, -1, -1) if isinstance(path[i], str)), 0)
    return f"'{dotted(path[named:])}'" if path else "a spec"


def known_list(kind: str, known: Iterable[object]) -> str:
    """``known methods: acdc, kv_circuit``, cut off where nobody reads on."""
    words = [str(word) for word in known]
    more = f" and {len(words) - _LONGEST_LIST} more" if len(words) > _LONGEST_LIST else ""
    return f"known {kind}: {', '.join(words[:_LONGEST_LIST]) or 'none'}{more}"


def _broken_rule(error: ValidationError, prefix: KeyPath) -> _Broken:
    return _Broken(
        path=(*prefix, *error.absolute_path),
        keyword=str(error.validator),
        rule=error.validator_value,
        found=error.instance,
        schema=error.schema,
    )


def _explain_type(broken: _Broken) -> Finding:
    wanted = [broken.rule] if isinstance(broken.rule, str) else list(broken.rule)
    finding = _wrong_type(broken, wanted)
    if broken.path in (("task",), ("method",)) and isinstance(broken.found, str):
        return replace(finding, hint="write it as {name: …} and its options")
    match broken.path:
        case ("xfail" | "skip",):
            return replace(finding, hint="write it as {reason: …}")
        case ("checkpoints",) | ("checkpoints", int()):
            return replace(finding, hint="write a path, or {path: …} and what its checkpoints leave out")
    return finding


def _wrong_type(broken: _Broken, wanted: list[str]) -> Finding:
    *first, last = (_TYPES[name] for name in wanted)
    expected = f"{', '.join(first)} or {last}" if first else last
    message = f"{label(broken.path)} must be {expected}, found {describe_value(broken.found)}"
    return Finding(path=broken.path, message=message, hint=_type_hint(broken.found, wanted), code=Code.WRONG_TYPE)


def _type_hint(value: object, wanted: list[str]) -> str | None:
    if isinstance(value, str):
        return _string_hint(value, wanted)
    if isinstance(value, float) and "integer" in wanted and value.is_integer():
        return f"write {int(value)}"
    if "array" in wanted and value is not None and not isinstance(value, dict):
        return "put it in brackets: [ ]"
    if wanted == ["string"] and isinstance(value, int | float):
        return "put it in quotes"
    return None


def _string_hint(text: str, wanted: list[str]) -> str | None:
    if "boolean" in wanted:
        truth = "true" if text.lower() in _TRUE_WORDS else "false" if text.lower() in _FALSE_WORDS else None
        return truth and f"write {truth}, without quotes"
    if "number" in wanted or "integer" in wanted:
        return _number_hint(text, wanted)
    return "put it in brackets: [ ]" if "array" in wanted else None


def _number_hint(text: str, wanted: list[str]) -> str | None:
    try:
        number = resolve_plain(text)
        if isinstance(number, int | float) and not isinstance(number, bool):
            fits = isinstance(number, int) or "number" in wanted
            return f"drop the quotes: {text}" if fits else None
        if "number" in wanted and re.fullmatch(r"[0-9.]+ *%", text):
            return f"write the share as a number: {float(text[:-1]) / 100!r}"
        plain = resolve_plain(re.sub(r"^([-+]?)0+(?=[0-9])", r"\1", text.replace("_", "")))
    except (UnusableNumberError, ValueError):
        return None
    return f"write {plain}" if isinstance(plain, int | float) and not isinstance(plain, bool) else None


def _explain_enum(broken: _Broken) -> Finding:
    known = broken.rule if broken.keyword == "enum" else [broken.rule]
    kind = _kind(broken.path)
    hint = known_list(f"{kind or 'value'}s", known)
    found = quote(broken.found) if isinstance(broken.found, str) else describe_value(broken.found)
    what = f"unknown {kind} {found}" if kind else f"{label(broken.path)} cannot be {found}"
    if not isinstance(broken.found, str):
        return Finding(path=broken.path, message=what, hint=hint, code=Code.UNKNOWN_NAME)
    if kind in ("method", "task") and re.fullmatch(r"[A-Za-z0-9][\w.-]{0,50}", broken.found, re.ASCII):
        package = f"mechint-{broken.found.replace('_', '-')}"
        hint += f"; one that is missing may be in a package of its own (pip install {package})"
    near = did_you_mean(broken.found, map(str, known))
    return Finding(path=broken.path, message=f"{what}{near}", hint=hint, code=Code.UNKNOWN_NAME)


def _kind(path: KeyPath) -> str | None:
    """What the words of an enumeration are called; None where its key says it best."""
    match path:
        case ("task" | "method", "name"):
            return str(path[0])
        case ("schedules", str(schedule), *_):
            return f"{schedule} schedule"
        case ("faithfulness", "assert", int(), "metric"):
            return "measure"
        case ("task", "metric") | ("faithfulness", "ablation"):
            return str(path[1])
        case _:
            return None


def _explain_bound(broken: _Broken) -> Finding:
    bound = f"{_BOUNDS[broken.keyword]} {broken.rule}"
    message = f"{label(broken.path)} must be {bound}, found {describe_value(broken.found)}"
    return Finding(path=broken.path, message=message, code=Code.OUT_OF_BOUNDS)


def _explain_length(broken: _Broken) -> Finding:
    if not broken.found:
        return Finding(path=broken.path, message=f"{label(broken.path)} is empty", code=Code.OUT_OF_BOUNDS)
    length = _LENGTHS[broken.keyword].format(broken.rule)
    return Finding(
        path=broken.path,
        message=f"{label(broken.path)} must be {length}, found {len(broken.found)}",
        code=Code.OUT_OF_BOUNDS,
    )


def _explain_rest(broken: _Broken) -> Finding:
    rule = quote(f"{broken.keyword}: {broken.rule}")
    message = f"{label(broken.path)} breaks the rule {rule}, found {describe_value(broken.found)}"
    return Finding(path=broken.path, message=message, code=Code.OUT_OF_BOUNDS)


_HANDLERS: Mapping[str, Callable[[_Broken], Finding]] = {
    "type": _explain_type,
    "enum": _explain_enum,
    "const": _explain_enum,
    **dict.fromkeys(_BOUNDS, _explain_bound),
    **dict.fromkeys(_LENGTHS, _explain_length),
}


def _explain_alternatives(
    grammar: Grammar, broken: _Broken, causes: list[ValidationError], spec: Mapping[str, Any], prefix: KeyPath
) -> list[Finding]:
    """Of several shapes, the faults in the one that was meant: the one of the right type with the fewest."""
    branches: dict[object, list[ValidationError]] = {}
    for cause in causes:
        branches.setdefault(cause.schema_path[0], []).append(cause)
    fitting = [branch for branch in branches.values() if not any(map(_is_wrong_type, branch))]
    if fitting:
        return [finding for cause in min(fitting, key=len) for finding in explain(grammar, cause, spec, prefix)]
    types = [_broken_rule(cause, prefix).rule for cause in causes if _is_wrong_type(cause)]
    flat = [name for item in types for name in ([item] if isinstance(item, str) else item)]
    return [_wrong_type(broken, list(dict.fromkeys(flat))) if flat else _explain_rest(broken)]


def _is_wrong_type(cause: ValidationError) -> bool:
    return cause.validator == "type" and not cause.relative_path


def _missing_key(broken: _Broken, key: str) -> Finding:
    where = f" in {dotted(broken.path)}" if broken.path else ""
    if broken.path in (("task",), ("method",)):
        # Without a name no other key can be told from an option, so nothing else points at a misspelt one.
        for typo in broken.found:
            if key == "name" and closest(typo, [key]):
                message = f"unknown key {quote(typo)}{where}; did you mean '{key}'?"
                return Finding(path=(*broken.path, typo), message=message, at_key=True, code=Code.UNKNOWN_KEY)
    return Finding(path=(*broken.path, key), message=f"missing key '{key}'{where}", at_key=True, code=Code.MISSING_KEY)


def _refused_schedules(spec: Mapping[str, Any]) -> Finding:
    message = f"the method {quote(_name(spec, 'method'))} learns no masks, so there is nothing to schedule"
    return Finding(
        path=("schedules",), message=message, hint="remove 'schedules'", at_key=True, code=Code.CONTRADICTION
    )


def _unknown_keys(grammar: Grammar, broken: _Broken, spec: Mapping[str, Any]) -> Iterator[Finding]:
    path = broken.path
    section = path[0] if len(path) == 1 else None
    if section in ("task", "method"):
        # jsonschema counts the keys of a branch with a fault in it as unevaluated; the catalog knows better.
        known = grammar.properties(section, _name(spec, section))
    else:
        known = properties_of(broken.schema, grammar.schema)
    where = f" in {section} {_name(spec, section)}" if section in ("task", "method") else f" in {dotted(path)}"
    # A key that is not taken yet is more likely to be the one that was meant.
    likely = [*(key for key in known if key not in broken.found), *(key for key in known if key in broken.found)]
    for key in itertools.islice((key for key in broken.found if key not in known), MAX_FAULTS):
        belongs = _belongs(grammar, spec, path, key)
        meant = None if belongs else closest(key, likely)
        remedy = belongs or (f"; did you mean {quote(meant)}?" if meant else "")
        message = f"unknown key {quote(key)}{where if path else ''}{remedy}"
        hint = None if remedy else known_list("keys", known)
        yield Finding(path=(*path, key), message=message, hint=hint, at_key=True, meant=meant, code=Code.UNKNOWN_KEY)


def _belongs(grammar: Grammar, spec: Mapping[str, Any], path: KeyPath, key: str) -> str:
    """Whose key it is, if it is known elsewhere."""
    for section in ("task", "method"):
        if path != (section,) and key in grammar.properties(section, _name(spec, section)) and key != "name":
            return f"; it belongs to '{section}'"
    catalog = grammar.catalog
    for kind, plugins in (("method", catalog.methods), ("task", catalog.tasks), ("tracker", catalog.trackers)):
        for name in plugins:
            if key in (grammar.options(kind, name) or ()):
                return f"; it belongs to {kind} {name}"
    if path and key in grammar.schema["properties"]:
        return "; it belongs to the top level"
    facts = properties_of(grammar.schema["properties"]["checkpoints"], grammar.schema)
    if path[:1] != ("checkpoints",) and key in facts and key != "path":
        return f"; it belongs to 'checkpoints': {{path: …, {key}: …}}"
    return ""


def _name(spec: Mapping[str, Any], section: str) -> str:
    chosen = spec.get(section)
    return str(chosen.get("name")) if isinstance(chosen, dict) else ""
