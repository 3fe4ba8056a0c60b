"""A document held against the schema of a grammar: everything that is wrong with it, at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from jsonschema import ValidationError

from mechint.codes import Code
from mechint.errors import Fault
from mechint.spec.document import Document, Finding, KeyPath
from mechint.spec.explain import explain
from mechint.spec.grammar import Grammar
from mechint.spec.header import VERSION
from mechint.spec.nodes import MAX_FAULTS

__all__ = ["find_schema_faults", "find_value_faults", "locate", "newer_version"]

# Of several rules that one value breaks, the first of these says it best.
_TELLING = ("type", "enum", "const")
_MAX_ERRORS = 10 * MAX_FAULTS


def newer_version(document: Document) -> Finding | None:
    """The finding that the document is written for a later mechint, if it is; nothing else in it can be judged."""
    version = document.value.get("version") if isinstance(document.value, dict) else None
    if isinstance(version, bool) or not isinstance(version, int) or version <= VERSION:
        return None
    message = f"version {version} needs a newer mechint; this one reads version {VERSION}"
    return Finding(path=("version",), message=message, hint="pip install --upgrade mechint", code=Code.NEWER_VERSION)


def find_schema_faults(document: Document, grammar: Grammar, set_elsewhere: Collection[KeyPath] = ()) -> list[Finding]:
    """What the schema finds; a key that is ``set_elsewhere``, by the matrix, may be missing."""
    spec = document.value if isinstance(document.value, dict) else {}
    errors = sorted(grammar.validator.iter_errors(document.value), key=_rank)[:_MAX_ERRORS]
    findings = _one_a_key(finding for error in errors for finding in explain(grammar, error, spec))
    misspelt = {(*finding.path[:-1], finding.meant) for finding in findings if finding.meant is not None}
    return [
        finding
        for finding in findings
        if document.holds(finding.path) or finding.path not in {*misspelt, *set_elsewhere}
    ]


def find_value_faults(grammar: Grammar, schema: Any, value: Any, path: KeyPath, spec: Any) -> list[Finding]:
    """What the schema of one option finds in a value for it; ``path`` is the option's."""
    errors = sorted(grammar.validator.evolve(schema=schema).iter_errors(value), key=_rank)
    return _one_a_key(finding for error in errors for finding in explain(grammar, error, spec, path))


def locate(document: Document, findings: Iterable[Finding]) -> list[Fault]:
    """The document's own faults and the findings as faults, in the order of the file.

    A finding at the place of one of the document's own faults is its consequence and left out.
    """
    taken = {(fault.file, fault.line, fault.column) for fault in document.faults}
    found = [document.fault(finding) for finding in findings]
    fresh = [fault for fault in found if (fault.file, fault.line, fault.column) not in taken]
    ordered = sorted(dict.fromkeys([*document.faults, *fresh]), key=_position)
    # The spec's own before those of a file that it includes.
    return sorted(ordered, key=lambda fault: fault.line is not None and fault.file != document.path)[:MAX_FAULTS]


def _one_a_key(findings: Iterable[Finding]) -> list[Finding]:
    kept: dict[tuple[KeyPath, bool], Finding] = {}
    for finding in findings:
        kept.setdefault((finding.path, finding.at_key), finding)
    return list(kept.values())


def _rank(error: ValidationError) -> int:
    return _TELLING.index(error.validator) if error.validator in _TELLING else len(_TELLING)


def _position(fault: Fault) -> tuple[bool, int, int]:
    return fault.line is None, fault.line or 0, fault.column or 0
