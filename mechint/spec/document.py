"""A YAML file as plain values that know their place, read strictly and within bounds.

A file that is no YAML, or too large, too deep or too long once its aliases are written out, raises SpecError.
Faults that leave the rest readable (a duplicate key, a tag, NaN) are kept in ``Document.faults``, so that they are
reported together with what validation finds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mechint.codes import Code
from mechint.errors import Fault, SpecError
from mechint.spec.nodes import Node, Place, compose

__all__ = [
    "MAX_BYTES",
    "Document",
    "Finding",
    "KeyPath",
    "Place",
    "dotted",
    "parse_document",
    "read_document",
    "with_value",
]

KeyPath = tuple[str | int, ...]
"""The keys and list positions that lead to a value: ``("faithfulness", "assert", 0)``."""

MAX_BYTES = 1_000_000

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong with the value at ``path``, or with its key, before it has a line and column."""

    path: KeyPath
    message: str
    hint: str | None = None
    at_key: bool = False
    meant: str | None = None
    """The key that an unknown one probably stands for."""
    code: Code = field(default=Code.CONTRADICTION, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Document:
    """One document and the place of everything in it."""

    path: str
    """As the user typed it."""
    sha256: str
    """Of the file's bytes."""
    value: Any
    keys: Mapping[KeyPath, Place]
    """Where the key of each value begins; list items have none."""
    values: Mapping[KeyPath, Place]
    faults: tuple[Fault, ...] = ()
    """In the order of the file; a document with faults must not be run."""

    def place(self, path: KeyPath, *, at_key: bool = False) -> Place:
        """Where the value, or its key, begins; for what is not written, where the nearest thing around it does."""
        for length in range(len(path), 0, -1):
            places = (self.keys, self.values) if at_key or length < len(path) else (self.values, self.keys)
            for known in places:
                if path[:length] in known:
                    return known[path[:length]]
        return self.values[()]

    def holds(self, path: KeyPath) -> bool:
        """Whether the document has a value at the path."""
        return path in self.values

    def fault(self, finding: Finding) -> Fault:
        """The finding with its place."""
        place = self.place(finding.path, at_key=finding.at_key)
        return place.fault(finding.message, finding.hint, finding.code)


def dotted(path: KeyPath) -> str:
    """A path as a user writes it: ``faithfulness.assert[0].where``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def read_document(path: str) -> Document:
    """Read a spec file; SpecError if it cannot be read, is not strict YAML or exceeds a bound."""
    try:
        if not Path(path).is_file():
            raise _unreadable(path, "is no file" if Path(path).exists() else "does not exist")
        with open(path, "rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _unreadable(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return parse_document(path, content)


def parse_document(path: str, content: bytes) -> Document:
    """Read a document from the bytes of a file; ``path`` is only named in messages."""
    if len(content) > MAX_BYTES:
        raise _unreadable(path, f"is larger than {MAX_BYTES:,} bytes", "a spec is a page or two; keep data beside it")
    root, faults = compose(path, _decode(path, content))
    keys: dict[KeyPath, Place] = {}
    values: dict[KeyPath, Place] = {}
    value = _unfold(root, (), keys, values)
    if value is None:
        comments = any(line.lstrip().startswith(b"#") for line in content.splitlines())
        hint = "a spec needs version, name, checkpoints, task and method"
        raise _unreadable(path, "holds nothing but comments" if comments else "is empty", hint)
    digest = hashlib.sha256(content).hexdigest()
    return Document(path=path, sha256=digest, value=value, keys=keys, values=values, faults=tuple(faults))


def with_value(tree: Any, path: KeyPath, value: Any) -> Any:
    """A copy of plain values in which ``path`` leads to ``value``; mappings on the way are made where none is.

    Raises LookupError with the path of what is neither a mapping nor a list long enough.
    """
    if not path:
        return value
    part = path[0]
    if tree is None:
        tree = {}
    if isinstance(tree, list) and isinstance(part, int) and part < len(tree):
        return [*tree[:part], with_value(tree[part], path[1:], value), *tree[part + 1 :]]
    if isinstance(tree, dict):
        return {**tree, part: with_value(tree.get(part), path[1:], value)}
    raise LookupError(path)


def _unreadable(path: str, what: str, hint: str | None = None) -> SpecError:
    return SpecError([Fault(file=path, message=f"the spec {what}", hint=hint, code=Code.UNREADABLE_SPEC)])


def _decode(path: str, content: bytes) -> str:
    """Text of UTF-8 bytes, with or without a byte order mark, that holds no control characters."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _unreadable(path, "is UTF-16", "save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        bad = f"byte 0x{content[error.start]:02x} is not UTF-8"
        raise SpecError([_end_of(path, before).fault(bad, "save the file as UTF-8", Code.UNREADABLE_SPEC)]) from None
    if match := _FORBIDDEN.search(text):
        message = f"the control character U+{ord(match.group()):04X} is not allowed"
        raise SpecError([_end_of(path, text[: match.start()]).fault(message, code=Code.UNUSABLE_SCALAR)])
    return text


def _end_of(path: str, text: str) -> Place:
    lines = _LINE_BREAK.split(text)
    return Place(file=path, line=len(lines), column=len(lines[-1]) + 1)


def _unfold(node: Node, path: KeyPath, keys: dict[KeyPath, Place], values: dict[KeyPath, Place]) -> Any:
    """The plain value of a node, after noting the places of everything in it."""
    values[path] = node.place
    if node.kind == "scalar":
        return node.scalar
    for entry in node.entries:
        if entry.key_place is not None:
            keys[*path, entry.key] = entry.key_place
    parts = [(entry.key, _unfold(entry.node, (*path, entry.key), keys, values)) for entry in node.entries]
    return dict(parts) if node.kind == "mapping" else [part for _, part in parts]
