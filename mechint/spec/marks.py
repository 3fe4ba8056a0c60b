"""``skip`` and ``xfail``: which cells of the matrix a spec leaves out, and which it expects to fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mechint.spec.document import Document, Finding, KeyPath
from mechint.spec.header import Header
from mechint.spec.matrix import Axis, find_where_faults, same_value
from mechint.spec.values import Cell, Mark

__all__ = ["find_mark_faults", "marked"]


def find_mark_faults(document: Document, header: Header, axes: Sequence[Axis]) -> list[Finding]:
    """What is wrong with the ``where`` of marks."""
    findings: list[Finding] = []
    for key, marks in (("xfail", header.xfail), ("skip", header.skip)):
        for number, mark in enumerate(marks):
            path: KeyPath = (key, number) if isinstance(document.value.get(key), list) else (key,)
            findings += find_where_faults(mark.where, document, axes, path)
    return findings


def marked(cell: Cell, header: Header) -> Cell:
    """The cell with the reasons of the first marks that fit it."""
    return replace(cell, xfail=_reason(header.xfail, cell.values), skip=_reason(header.skip, cell.values))


def _reason(marks: Sequence[Mark], values: Mapping[str, Any]) -> str | None:
    fitting = (mark for mark in marks if all(same_value(values.get(k), v) for k, v in mark.where.items()))
    return next((mark.reason for mark in fitting), None)
