"""The matrix of a spec: which values stand in for which options, one item for each combination."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mechint.codes import Code
from mechint.spec.document import Document, Finding, KeyPath, dotted, with_value
from mechint.spec.explain import known_list
from mechint.spec.grammar import Grammar
from mechint.spec.scalars import describe_value, quote
from mechint.spec.schema import Schema
from mechint.spec.suggest import closest, did_you_mean
from mechint.spec.validate import find_value_faults

__all__ = ["MAX_AXES", "MAX_CELLS", "Axis", "Combination", "combine", "find_where_faults", "read_axes", "same_value"]

MAX_CELLS = 10_000
MAX_AXES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One path of the matrix and its values, in the order of the file."""

    path: KeyPath
    values: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The path as the spec writes it."""
        return dotted(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """One value of every axis."""

    axes: tuple[Axis, ...]
    chosen: tuple[int, ...]

    @property
    def values(self) -> Mapping[str, Any]:
        """Path and value of each axis."""
        return {axis.name: axis.values[i] for axis, i in zip(self.axes, self.chosen, strict=True)}

    def apply(self, tree: Any) -> Any:
        """The plain values of a spec with those of this combination in their places."""
        for axis, i in zip(self.axes, self.chosen, strict=True):
            tree = with_value(tree, axis.path, axis.values[i])
        return tree

    def origin(self, path: KeyPath) -> KeyPath:
        """Where in the document the value at ``path`` comes from: the matrix, if it gives it or a part of it."""
        for axis, i in zip(self.axes, self.chosen, strict=True):
            shared = min(len(path), len(axis.path))
            if path[:shared] == axis.path[:shared]:
                return ("matrix", axis.name, i, *path[len(axis.path) :])
        return path


def read_axes(document: Document, grammar: Grammar) -> tuple[tuple[Axis, ...], list[Finding]]:
    """The axes that can be used, and what is wrong with the others. The schema reports what is not a list."""
    matrix = document.value.get("matrix") if isinstance(document.value, dict) else None
    if not isinstance(matrix, dict):
        return (), []
    if len(matrix) > MAX_AXES:
        message = f"the matrix sets {len(matrix)} paths; {MAX_AXES} are allowed"
        return (), [Finding(path=("matrix",), message=message, at_key=True, code=Code.MATRIX)]
    known = dict(_known_paths(document.value, grammar))
    findings: list[Finding] = []
    axes: list[Axis] = []
    for name, values in matrix.items():
        axis = Axis(path=tuple(name.split(".")), values=tuple(values) if isinstance(values, list) else ())
        wrong = [*_check_path(axis, axes, known, document.value, grammar)]
        wrong += _check_values(axis, known.get(name, True), document.value, grammar)
        findings += wrong
        if axis.values and not wrong:
            axes.append(axis)
    count = math.prod(len(axis.values) for axis in axes)
    if count > MAX_CELLS:
        message = f"the matrix has {count:,} combinations; {MAX_CELLS:,} are allowed"
        return (), [*findings, Finding(path=("matrix",), message=message, at_key=True, code=Code.MATRIX)]
    return tuple(axes), findings


def combine(axes: Sequence[Axis]) -> Iterator[Combination]:
    """Every combination, the last axis changing fastest; a single empty one without axes."""
    for chosen in itertools.product(*(range(len(axis.values)) for axis in axes)):
        yield Combination(axes=tuple(axes), chosen=chosen)


def find_where_faults(
    where: Mapping[str, Any], document: Document, axes: Sequence[Axis], path: KeyPath
) -> Iterator[Finding]:
    """What is wrong with the ``where`` of what stands at a path: it names values that the matrix does not give."""
    by_name = {axis.name: axis for axis in axes}
    for name, value in where.items():
        at = (*path, "where", name)
        if name not in by_name:
            if document.holds(("matrix", name)):  # with faults of its own
                continue
            message = f"the matrix does not set {quote(name)}{did_you_mean(name, by_name)}"
            yield Finding(
                path=at, message=message, hint=known_list("matrix paths", by_name), at_key=True, code=Code.WHERE
            )
        elif not any(same_value(value, known) for known in by_name[name].values):
            message = f"{describe_value(value)} is not a value that the matrix gives {quote(name)}"
            yield Finding(path=at, message=message, hint=known_list("values", by_name[name].values), code=Code.WHERE)


def same_value(a: object, b: object) -> bool:
    """Whether two plain values are equal, where true is not 1."""
    return isinstance(a, bool) is isinstance(b, bool) and a == b


def _known_paths(spec: Mapping[str, Any], grammar: Grammar) -> Iterator[tuple[str, Schema]]:
    """Every path that a matrix may set, with the schema of its values."""
    for section in ("task", "method"):
        chosen = spec.get(section)
        name = chosen.get("name") if isinstance(chosen, dict) else None
        yield from ((path, schema) for path, schema in grammar.paths(section, name) if path != f"{section}.name")
    yield from grammar.paths("schedules")
    yield "faithfulness.ablation", grammar.properties("faithfulness")["ablation"]
    yield "seed", grammar.schema["properties"]["seed"]


def _check_path(
    axis: Axis, others: Sequence[Axis], known: Mapping[str, Schema], spec: Mapping[str, Any], grammar: Grammar
) -> Iterator[Finding]:
    at = ("matrix", axis.name)
    section = axis.path[0]
    chosen = spec.get("method" if section == "schedules" else str(section))
    name = chosen.get("name") if isinstance(chosen, dict) else None
    if axis.name in ("task.name", "method.name"):
        message = f"a matrix cannot set {quote(axis.name)}, because each {section} has options of its own"
        yield Finding(path=at, message=message, hint="write one spec for each", at_key=True, code=Code.MATRIX)
    elif section == "schedules" and isinstance(name, str) and name in _unscheduled(grammar):
        message = f"the method {quote(name)} learns no masks, so there is nothing to schedule"
        yield Finding(path=at, message=message, hint="remove it from the matrix", at_key=True, code=Code.MATRIX)
    elif axis.name not in known and not _is_unjudged(section, name, grammar):
        meant = closest(axis.name, known)
        remedy = f"; did you mean {quote(meant)}?" if meant else ""
        hint = None if meant else known_list("paths", known)
        message = f"a matrix cannot set {quote(axis.name)}{remedy}"
        yield Finding(path=at, message=message, hint=hint, at_key=True, code=Code.MATRIX)
    for other in others:
        shared = min(len(other.path), len(axis.path))
        if other.path[:shared] == axis.path[:shared]:
            message = f"the matrix sets {quote(other.name)} too, and one is a part of the other"
            yield Finding(path=at, message=message, at_key=True, code=Code.MATRIX)


def _unscheduled(grammar: Grammar) -> set[str]:
    return set(grammar.catalog.methods) - grammar.catalog.learns_masks


def _is_unjudged(section: object, name: object, grammar: Grammar) -> bool:
    """Whether the path leads to options that are not known, because their plugin is unknown or not loaded."""
    return section in ("task", "method") and grammar.options(str(section), name) is None


def _check_values(axis: Axis, schema: Any, spec: Mapping[str, Any], grammar: Grammar) -> Iterator[Finding]:
    seen: set[object] = set()
    for i, value in enumerate(axis.values[:MAX_CELLS]):
        at = ("matrix", axis.name, i)
        if isinstance(value, dict):
            yield Finding(path=at, message="a matrix holds plain values and lists, found a mapping", code=Code.MATRIX)
            continue
        if _hashable(value) in seen:
            yield Finding(path=at, message=f"{describe_value(value)} is in the list already", code=Code.MATRIX)
        seen.add(_hashable(value))
        for finding in find_value_faults(grammar, schema, value, axis.path, spec):
            yield replace(finding, path=(*at, *finding.path[len(axis.path) :]))


def _hashable(value: Any) -> object:
    """A stand-in that is equal for equal values, where true is not 1."""
    if isinstance(value, list | dict):
        return tuple(map(_hashable, value.items() if isinstance(value, dict) else value))
    return isinstance(value, bool), value
