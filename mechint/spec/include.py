"""``include: common.yaml``: keys that several specs share, one level deep.

The included file lies in the spec's folder or below it; links that lead out of there are not followed, so that nothing
of a file elsewhere is read, and so nothing of it can be shown. Where both state a key, the spec's own value holds;
mappings are put together key by key. Every key keeps its place in the file that it comes from.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from mechint.codes import Code
from mechint.errors import SpecError
from mechint.spec.document import Document, Finding, KeyPath, Place, read_document
from mechint.spec.find import SUFFIXES
from mechint.spec.scalars import quote, unprintable_in

__all__ = ["INCLUDE", "resolve_include"]

INCLUDE = "include"


def resolve_include(document: Document) -> Document:
    """The document with what it includes; SpecError where that cannot be used. Without an include, as it is."""
    named = document.value.get(INCLUDE) if isinstance(document.value, dict) else None
    if not isinstance(named, str) or not named:  # validation says what is wrong with another type
        return document
    fault = _why_not(named, document.path)
    if fault is not None:
        raise SpecError(
            [document.fault(Finding(path=(INCLUDE,), message=f"include {quote(named)} {fault}", code=Code.INCLUDE))]
        )
    included = read_document(os.path.join(os.path.dirname(document.path), named))
    if not isinstance(included.value, dict):
        raise SpecError([included.place(()).fault("an included file holds the keys of a spec", code=Code.INCLUDE)])
    if INCLUDE in included.value:
        finding = Finding(path=(INCLUDE,), message="an included file includes no other", at_key=True, code=Code.INCLUDE)
        raise SpecError([included.fault(finding)])
    return _merged(document, included)


def _why_not(named: str, spec: str) -> str | None:
    """Why a spec may not include the file of that name; None where it may."""
    if (character := unprintable_in(named)) is not None:
        return f"holds the character {character}"
    path = PurePosixPath(named.replace("\\", "/"))
    if path.is_absolute() or named.startswith("~") or re.match("[A-Za-z]:", named):
        return "is absolute; name a file in the spec's folder"
    if ".." in path.parts:
        return "leaves the spec's folder with '..'"
    if path.suffix not in SUFFIXES:
        return f"is no YAML file; its name ends in {' or '.join(SUFFIXES)}"
    home = os.path.realpath(os.path.dirname(spec) or ".")
    target = Path(os.path.realpath(os.path.join(home, path)))
    if not target.is_relative_to(home):
        return "is a link out of the spec's folder"
    if target == Path(os.path.realpath(spec)):
        return "is the spec itself"
    return None if target.is_file() else "does not exist"


def _merged(document: Document, included: Document) -> Document:
    """The spec's values before those of the included file; the hash is that of both files."""
    own = {key: value for key, value in document.value.items() if key != INCLUDE}
    values, keys = {**document.values}, {**document.keys}
    value = _put_together(own, included, (), values, keys)
    both = hashlib.sha256(f"{document.sha256}{included.sha256}".encode()).hexdigest()
    faults = (*document.faults, *included.faults)
    return replace(document, value=value, sha256=both, keys=keys, values=values, faults=faults)


def _put_together(
    own: dict[str, Any], included: Document, path: KeyPath, values: dict[KeyPath, Place], keys: dict[KeyPath, Place]
) -> dict[str, Any]:
    """A mapping of the spec, with what only the included file states at the same path; notes the places of that."""
    shared = included.value
    for part in path:
        shared = shared[part]
    merged: dict[str, Any] = {}
    for key in dict.fromkeys((*shared, *own)):
        below = (*path, key)
        if key not in own:
            merged[key] = shared[key]
            values |= {at: place for at, place in included.values.items() if at[: len(below)] == below}
            keys |= {at: place for at, place in included.keys.items() if at[: len(below)] == below}
        elif isinstance(own[key], dict) and isinstance(shared.get(key), dict):
            merged[key] = _put_together(own[key], included, below, values, keys)
        else:
            merged[key] = own[key]
    return merged
