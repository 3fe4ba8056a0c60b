"""``--set method.steps=50``: values from the command line in place of those in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mechint.codes import Code
from mechint.errors import Fault, SpecError
from mechint.spec.document import Document, KeyPath, Place, dotted, parse_document, with_value
from mechint.spec.scalars import UnusableNumberError, printable, quote, resolve_plain, unprintable_in

__all__ = ["apply_overrides"]


def apply_overrides(document: Document, assignments: Sequence[str]) -> Document:
    """The document with every ``path=value`` carried out; SpecError lists those that cannot be.

    A value is a plain YAML word, or a YAML list, mapping or quoted string. What it sets has the assignment for its
    place, so that validation of an unknown path names it.
    """
    faults: list[Fault] = []
    paths: set[KeyPath] = set()
    for assignment in assignments:
        place = Place(printable(f"--set {assignment}"), None, None)
        try:
            path, value = _parse(assignment, document)
            if path in paths:
                raise ValueError(f"{quote(dotted(path))} is set twice on the command line")
            paths.add(path)
            document = _set(document, path, value, place)
        except ValueError as error:
            faults.append(place.fault(str(error), code=Code.OVERRIDE))
    if faults:
        raise SpecError(faults)
    return document


def _parse(assignment: str, document: Document) -> tuple[KeyPath, Any]:
    if (character := unprintable_in(assignment)) is not None:
        raise ValueError(f"the character {character} is not allowed")
    name, equals, text = assignment.partition("=")
    words = name.strip().split(".")
    if not equals or not all(words):
        raise ValueError("write it as path=value, such as method.steps=50")
    path: KeyPath = tuple(words)
    if words[0] == "include":
        raise ValueError("what a spec includes stands in the spec alone")
    if words[0] == "matrix":  # its keys are dotted paths themselves
        path = ("matrix", ".".join(words[1:])) if len(words) > 1 else ("matrix",)
    elif document.holds(("matrix", name.strip())):
        raise ValueError(f"the matrix sets {quote(name.strip())} for every item; use --set matrix.{name.strip()}=[…]")
    return path, _value(text.strip())


def _value(text: str) -> Any:
    if text[:1] not in tuple("[{'\""):
        try:
            return resolve_plain(text)
        except UnusableNumberError as error:
            raise ValueError(str(error)) from None
    try:
        parsed = parse_document("value", text.encode())
    except SpecError as error:
        raise ValueError(error.faults[0].message) from None
    if parsed.faults:
        raise ValueError(parsed.faults[0].message)
    return parsed.value


def _set(document: Document, path: KeyPath, value: Any, place: Place) -> Document:
    """The document with one value replaced; ValueError if the path runs through something that is no mapping."""
    tree = document.value
    numbered: list[str | int] = []
    for part in path:
        here = tree[part] if isinstance(tree, dict) and part in tree else None
        if isinstance(tree, list):
            number = int(part) if isinstance(part, str) and part.isdecimal() and len(part) < 6 else len(tree)
            if number >= len(tree):
                raise ValueError(f"{quote(dotted(tuple(numbered)))} has no item {quote(str(part))}; its first is 0")
            part, here = number, tree[number]
        elif tree is not None and not isinstance(tree, dict):
            raise ValueError(f"{quote(dotted(tuple(numbered)))} is not a mapping, so it has no {quote(str(part))}")
        numbered.append(part)
        short_for = _short_for(numbered)
        if short_for is not None and isinstance(here, str) and len(numbered) < len(path):
            here = {short_for: here}
            document = replace(document, value=with_value(document.value, tuple(numbered), here))
        tree = here
    return _replaced(document, tuple(numbered), value, place)


def _short_for(path: Sequence[str | int]) -> str | None:
    """The key of a mapping that a bare word at this path is short for; None where it is short for none."""
    match path:
        case ["schedules", _]:
            return "shape"
        case ["checkpoints"] | ["checkpoints", int()]:
            return "path"
        case _:
            return None


def _replaced(document: Document, path: KeyPath, value: Any, place: Place) -> Document:
    def outside(known: KeyPath) -> bool:
        return known[: len(path)] != path

    keys = {known: at for known, at in document.keys.items() if outside(known)}
    values = {known: at for known, at in document.values.items() if outside(known)}
    for length in range(1, len(path)):  # what had to be made on the way
        values.setdefault(path[:length], place)
    below = dict.fromkeys(_paths_below(path, value), place)
    return replace(
        document,
        value=with_value(document.value, path, value),
        keys={**keys, **below},
        values={**values, **below},
        faults=tuple(fault for fault in document.faults if not _concerned(document, path, fault)),
    )


def _paths_below(path: KeyPath, value: Any) -> list[KeyPath]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(below for key, part in parts for below in _paths_below((*path, key), part))]


def _concerned(document: Document, path: KeyPath, fault: Fault) -> bool:
    """Whether the override replaces the value that the fault is about."""
    place = document.values.get(path)
    return place is not None and (fault.file, fault.line, fault.column) == (place.file, place.line, place.column)
