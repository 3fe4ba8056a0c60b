"""From a spec file to a Spec.

1. ``document.read_document`` reads the YAML, ``include.resolve_include`` what it includes, and
   ``override.apply_overrides`` carries out ``--set``.
2. ``named_plugins`` says which plugins it needs; their options make the catalog, and ``compile_grammar`` the grammar.
3. ``build_spec`` validates it and fills in the defaults, or raises SpecError with every fault at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mechint.errors import SpecError
from mechint.spec.build import build_assertions, build_cells, build_header, build_trackers
from mechint.spec.document import Document, Finding, KeyPath, Place
from mechint.spec.grammar import Grammar
from mechint.spec.header import Header
from mechint.spec.marks import find_mark_faults, marked
from mechint.spec.matrix import Axis, read_axes
from mechint.spec.validate import find_schema_faults, locate, newer_version
from mechint.spec.values import Cell, Spec

__all__ = ["Named", "build_spec", "named_plugins"]

_OWN_KEYS = frozenset({*Header.model_fields, "task", "method", "schedules", "matrix", "faithfulness"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The plugins that a document names; None where it names none, or not by a word."""

    method: str | None
    task: str | None
    trackers: tuple[str, ...] = ()
    """Keys of the top level that the core does not know."""


def named_plugins(document: Document) -> Named:
    """Which plugins must be loaded before the document can be validated."""
    keys = document.value if isinstance(document.value, dict) else ()
    return Named(
        method=_name_in(document, "method"),
        task=_name_in(document, "task"),
        trackers=tuple(key for key in keys if isinstance(key, str) and key not in _OWN_KEYS),
    )


def build_spec(document: Document, grammar: Grammar) -> Spec:
    """The spec that a document states; SpecError lists all its faults."""
    if (newer := newer_version(document)) is not None:
        raise SpecError([document.fault(newer)])
    axes, findings = read_axes(document, grammar)
    in_matrix = [tuple(str(path[1]).split(".")) for path in document.keys if path[0] == "matrix" and len(path) == 2]
    findings += find_schema_faults(document, grammar, set_elsewhere=in_matrix)
    spec = None
    if isinstance(document.value, dict):
        spec, more = _build(document, grammar, axes, findings)
        findings += more
    faults = locate(document, findings)
    if faults or spec is None:
        assert faults, f"{document.path} has no fault and no spec"
        raise SpecError(faults)
    return spec


def _build(
    document: Document, grammar: Grammar, axes: tuple[Axis, ...], found: list[Finding]
) -> tuple[Spec | None, list[Finding]]:
    """The spec, if nothing more is wrong; what ``found`` holds is not looked at again."""
    failed = {_section_of(finding.path) for finding in found if finding.path}
    header, findings = build_header(document, failed)
    stated, wrong = build_assertions(document, grammar, axes, [finding.path for finding in found])
    findings += wrong
    trackers, wrong = build_trackers(document, grammar, failed)
    findings += wrong
    cells: tuple[Cell, ...] = ()
    if "matrix" not in failed:
        cells, wrong = build_cells(document, grammar, axes, stated, failed)
        findings += wrong
    if header is not None:
        findings += find_mark_faults(document, header, axes)
    if header is None or findings:
        return None, findings
    spec = Spec(
        path=document.path,
        sha256=document.sha256,
        name=header.name,
        description=header.description,
        tags=header.tags,
        checkpoints=header.checkpoints,
        limits=header.limits,
        output_dir=header.output_dir,
        cells=tuple(marked(cell, header) for cell in cells),
        trackers=trackers,
        places=tuple(_places(document)),
    )
    return spec, findings


def _places(document: Document) -> Iterator[Place]:
    """Where the path of each of its checkpoints is stated."""
    stated = document.value["checkpoints"]
    for number, one in enumerate(stated if isinstance(stated, list) else [stated]):
        path: KeyPath = ("checkpoints", number) if isinstance(stated, list) else ("checkpoints",)
        yield document.place((*path, "path") if isinstance(one, dict) else path)


def _section_of(path: KeyPath) -> str | int:
    """The top-level key that a finding is about; for one in the matrix, the key that its axis sets."""
    in_matrix = path[0] == "matrix" and len(path) > 1
    return str(path[1]).split(".")[0] if in_matrix else path[0]


def _name_in(document: Document, section: str) -> str | None:
    chosen = document.value.get(section) if isinstance(document.value, dict) else None
    name = chosen.get("name") if isinstance(chosen, dict) else None
    return name if isinstance(name, str) else None
