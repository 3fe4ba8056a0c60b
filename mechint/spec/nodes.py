"""YAML events composed into nodes, strictly.

Nesting is bounded while the events arrive, before anything recurses, and every node knows how many values it has
once its aliases are written out, so a bomb is recognised without being expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import yaml

from mechint.codes import Code
from mechint.errors import Fault, SpecError
from mechint.spec.scalars import (
    Scalar,
    UnusableNumberError,
    describe_value,
    printable,
    quote,
    resolve_plain,
    unprintable_in,
)

__all__ = ["MAX_DEPTH", "MAX_FAULTS", "MAX_VALUES", "Entry", "Node", "Place", "compose"]

MAX_DEPTH = 50
MAX_VALUES = 30_000
"""Values of a document, those behind aliases counted at every use."""
MAX_FAULTS = 100
"""Faults listed at once."""

_VARIABLE = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a file; line and column count from 1 and are None for what the command line set."""

    file: str
    line: int | None
    column: int | None

    def fault(self, message: str, hint: str | None = None, code: Code = Code.NOT_YAML) -> Fault:
        """A fault at this place; what the user typed cannot break its line."""
        hint = printable(hint) if hint else None
        return Fault(
            file=self.file, line=self.line, column=self.column, message=printable(message), hint=hint, code=code
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """A value and everything in it."""

    kind: Literal["scalar", "sequence", "mapping"]
    place: Place
    scalar: Scalar = None
    entries: tuple[Entry, ...] = ()
    size: int = 1
    """Number of values, this one included, with aliases written out."""
    height: int = 0
    """Levels of nesting below this one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """One value of a mapping or sequence under its key or number."""

    key: str | int
    key_place: Place | None
    """None in a sequence."""
    node: Node


def compose(path: str, text: str) -> tuple[Node, list[Fault]]:
    """The one document of a YAML text and the faults that leave it readable; an empty text is a null."""
    composer = _Composer(path, text)
    try:
        root = composer.document()
    except yaml.MarkedYAMLError as error:
        raise SpecError([*composer.faults, _syntax_fault(path, text, error)]) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: the Python scanner meets \U00110000
        raise SpecError([Place(path, None, None).fault(f"not valid YAML: {error}")]) from None
    return root, composer.faults


class _Composer:
    """Builds nodes from the events of one text, in order."""

    def __init__(self, path: str, text: str) -> None:
        # libyaml where PyYAML has it, ten times as fast. Only its events: its composer crashes on deep nesting.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self.faults: list[Fault] = []
        self._path = path
        self._events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=loader))
        self._anchors: dict[str, Node | None] = {}  # None while the anchored node is being built

    def document(self) -> Node:
        next(self._events)  # the stream starts
        event = next(self._events)
        start = self._place(event)
        if isinstance(event, yaml.StreamEndEvent):
            return Node(kind="scalar", place=start)
        root = self._node(next(self._events), depth=0)
        next(self._events)  # the document ends
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._fatal(
                event, "a second document begins here", "one file is one spec; split it", Code.UNREADABLE_SPEC
            )
        return root

    def _node(self, event: yaml.Event, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self._fatal(event, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        assert isinstance(event, yaml.CollectionStartEvent | yaml.ScalarEvent), f"{event} begins no value"
        self._refuse_tag(event)
        anchor = event.anchor
        if anchor is not None:
            self._anchors[anchor] = None
        if isinstance(event, yaml.MappingStartEvent):
            node = self._container(event, "mapping", tuple(self._pairs(event, depth)))
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._container(event, "sequence", tuple(self._elements(event, depth)))
        else:
            assert isinstance(event, yaml.ScalarEvent)
            node = Node(kind="scalar", place=self._place(event), scalar=self._scalar(event))
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _alias(self, event: yaml.AliasEvent, depth: int) -> Node:
        anchor = str(event.anchor)
        name = quote(f"*{anchor}")
        node = self._anchors.get(anchor)
        if node is None:
            inside = anchor in self._anchors
            what = "stands inside the value that it repeats" if inside else "repeats nothing that stands before it"
            hint = None if inside else "quote a pattern that begins with '*'"
            raise self._fatal(event, f"the alias {name} {what}", hint)
        if depth + node.height > MAX_DEPTH:
            raise self._fatal(event, f"with the alias {name} nested deeper than {MAX_DEPTH} levels")
        return replace(node, place=self._place(event))

    def _container(self, event: yaml.Event, kind: Literal["sequence", "mapping"], entries: tuple[Entry, ...]) -> Node:
        height = 1 + max((entry.node.height for entry in entries), default=-1)
        size = 1 + sum(entry.node.size for entry in entries)
        return Node(kind=kind, place=self._place(event), entries=entries, size=size, height=height)

    def _elements(self, start: yaml.Event, depth: int) -> Iterator[Entry]:
        size = 0
        for number, event in enumerate(self._events):
            if isinstance(event, yaml.SequenceEndEvent):
                return
            entry = Entry(key=number, key_place=None, node=self._node(event, depth + 1))
            size += entry.node.size
            self._bound(start, size)
            yield entry

    def _pairs(self, start: yaml.Event, depth: int) -> Iterator[Entry]:
        seen: dict[str, Place] = {}
        size = 0
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                return
            key = self._key(event, depth)
            node = self._node(next(self._events), depth + 1)
            size += node.size
            self._bound(start, size)
            place = self._place(event)
            if key in seen:
                self._fault(
                    event,
                    f"the key {quote(key)} is written twice, first in line {seen[key].line}",
                    code=Code.DUPLICATE_KEY,
                )
            elif key is not None:
                seen[key] = place
                yield Entry(key=key, key_place=place, node=node)

    def _key(self, event: yaml.Event, depth: int) -> str | None:
        """The key; None, after noting the fault, for what cannot be one."""
        if not isinstance(event, yaml.ScalarEvent):
            self._node(event, depth + 1)
            self._fault(event, "a key must be a plain word")
            return None
        self._refuse_tag(event)
        if event.implicit[0] and event.value == "<<":
            self._fault(event, "merging with '<<' is not part of YAML 1.2", "write the keys out")
            return None
        key = self._scalar(event)
        if isinstance(key, str):
            return key
        self._fault(event, f"a key must be a string, found {describe_value(key)}", "put it in quotes")
        return None

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        text: str = event.value
        if (character := unprintable_in(text)) is not None:
            self._fault(event, f"the character {character} is not allowed", code=Code.UNUSABLE_SCALAR)
        if _VARIABLE.search(text):
            hint = "write the value itself, or give it on the command line: --set KEY=VALUE"
            self._fault(event, f"nothing is put in for the variable in {quote(text)}", hint, Code.UNUSABLE_SCALAR)
        if not event.implicit[0]:  # quoted or a block
            return text
        try:
            return resolve_plain(text)
        except UnusableNumberError as error:
            self._fault(event, str(error), code=Code.UNUSABLE_SCALAR)
            return text  # fits no option that takes a number, so nothing is built on it

    def _refuse_tag(self, event: yaml.CollectionStartEvent | yaml.ScalarEvent) -> None:
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!", 1)
            self._fault(event, f"the tag {quote(tag)} is not allowed", "a spec holds plain values only; remove the tag")

    def _bound(self, start: yaml.Event, size: int) -> None:
        if size >= MAX_VALUES:
            raise self._fatal(start, f"more than {MAX_VALUES:,} values, counting each at every use of its alias")

    def _fault(
        self, event: yaml.Event, message: str, hint: str | None = None, code: Code = Code.FORBIDDEN_YAML
    ) -> None:
        self.faults.append(self._place(event).fault(message, hint, code))
        if len(self.faults) >= MAX_FAULTS:
            raise SpecError(self.faults)

    def _fatal(
        self, event: yaml.Event, message: str, hint: str | None = None, code: Code = Code.FORBIDDEN_YAML
    ) -> SpecError:
        return SpecError([*self.faults, self._place(event).fault(message, hint, code)])

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        assert mark is not None, f"{event} has no place"
        return Place(self._path, mark.line + 1, mark.column + 1)


# What the scanner says (libyaml or PyYAML's own); what is meant; whether the fault is where the value began; a hint.
_MEANINGS = (
    ("unexpected end of stream", "this quote is not closed", True, None),
    ("expected ',' or '[]}]'", "this bracket is not closed, or a comma is missing behind it", True, None),
    ("mapping values are not allowed", "a ':' does not fit here", False, "check the indentation; quote text with ': '"),
    (
        "did not find expected key|expected <block end>",
        "this line does not fit those above it",
        False,
        "check its indent",
    ),
    ("expected '?<document start>", "this does not belong to the value before it", False, "check the brackets"),
    ("could not find expected ':'", "there is no ':' behind this key", True, "write 'key: value'"),
    ("alphabetic or numeric character", "'*' and '&' begin no text", True, "quote a pattern that begins with '*'"),
)


def _syntax_fault(path: str, text: str, error: yaml.MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Place(path, None, None).fault(f"not valid YAML: {error.problem}")
    place = Place(path, mark.line + 1, mark.column + 1)
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    if tab := re.match(r" *\t", line):
        return Place(path, mark.line + 1, tab.end()).fault("a tab indents this line", "indent with spaces")
    if "cannot start any token" in str(error.problem):
        found = quote(line[mark.column : mark.column + 1])
        return place.fault(f"a value cannot begin with {found}", "put the value in quotes")
    for pattern, meaning, at_start, hint in _MEANINGS:
        if re.search(pattern, str(error.problem)):
            if at_start and error.context_mark is not None:
                place = Place(path, error.context_mark.line + 1, error.context_mark.column + 1)
            return place.fault(meaning, hint)
    return place.fault(f"not valid YAML: {error.problem}")
