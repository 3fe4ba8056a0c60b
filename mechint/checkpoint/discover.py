"""Finding checkpoints: what a spec's references and ``MODELS=`` stand for, without opening any of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from mechint.checkpoint.hub import SCHEME as HUB
from mechint.checkpoint.hub import find_in_cache
from mechint.checkpoint.package import SCHEME as PACKAGE
from mechint.checkpoint.package import find_in_package
from mechint.checkpoint.paths import check_path, find_files
from mechint.codes import Code
from mechint.errors import Fault, NothingCollected, UsageError
from mechint.spec.checkpoints import Expect, Reference, Source
from mechint.spec.nodes import Place

__all__ = ["find_checkpoints", "find_models"]

_MOST_CHECKPOINTS = 10_000
_MOST_LISTED = 12


def find_checkpoints(references: Sequence[Reference], places: Sequence[Place] = ()) -> tuple[Source, ...]:
    """The checkpoints that a spec's ``checkpoints`` names, each once, in natural order within each reference.

    A reference is a file, a glob or a folder (``find_files``), weights inside an installed package
    (``find_in_package``) or a model in the local cache of the Hugging Face Hub (``find_in_cache``). A checkpoint that
    two references name has the facts of the first.

    Raises NothingCollected for a reference without a match or with fewer than it expects, at its place where
    ``places`` has those of all, and UsageError for one that is malformed, matches something other than checkpoints or
    more than 10 000 of them.
    """
    stated = zip_longest(references, places)
    return _each_once((reference, source) for reference, place in stated for source in _find_enough(reference, place))


def find_models(path: str, stated: Sequence[Reference] = ()) -> tuple[Source, ...]:
    """The checkpoints that ``MODELS=`` or ``--models`` names in place of those ``stated`` in the spec.

    As for ``find_checkpoints``, but a folder stands for its final checkpoints (``final_model_step*``), and only where
    it has none for every one. The facts of a spec's only reference, but for its sha256 and how many it
    expects, hold for these checkpoints too; of several, none do.
    """
    check_path(path)
    # Without validation, which asks for Unicode: the name of a file may be any bytes.
    reference = (
        stated[0].model_copy(update={"path": path, "sha256": None, "expect": Expect()})
        if len(stated) == 1
        else Reference.model_construct(path=path)
    )
    return _each_once((reference, source) for source in _find(reference, final_first=True))


def _each_once(found: Iterable[tuple[Reference, Source]]) -> tuple[Source, ...]:
    by_place: dict[str, Source] = {}
    for reference, source in found:
        by_place.setdefault(os.path.realpath(source.path), source)
        if len(by_place) > _MOST_CHECKPOINTS:
            raise UsageError(
                f"{reference.path!r} matches more than {_MOST_CHECKPOINTS:,} files; narrow it down",
                code=Code.UNUSABLE_PATH,
            )
    return tuple(by_place.values())


def _find_enough(reference: Reference, place: Place | None) -> list[Source]:
    try:
        found = _find(reference)
        _refuse_too_few(reference, {os.path.realpath(source.path): source.name for source in found})
    except NothingCollected as error:
        if place is None:
            raise
        at = Fault(file=place.file, line=place.line, column=place.column, message=str(error))
        raise NothingCollected(str(at), code=error.code) from None
    return found


def _refuse_too_few(reference: Reference, found: Mapping[str, str]) -> None:
    """Raise NothingCollected where a reference expects more checkpoints than were found, by their real paths."""
    if len(found) >= reference.expect.min:
        return
    names = [*found.values()]
    listed = ", ".join(map(repr, names[:_MOST_LISTED])) + (" …" if len(names) > _MOST_LISTED else "")
    raise NothingCollected(
        f"expect.min asks for {reference.expect.min} checkpoints, and {reference.path!r} stands for {len(found)}: "
        f"{listed}\n  hint: bring those that are missing, lower expect.min, or name others with --models",
        code=Code.TOO_FEW_CHECKPOINTS,
    )


def _find(reference: Reference, *, final_first: bool = False) -> list[Source]:
    if reference.path.startswith(PACKAGE):
        return find_in_package(reference)
    if reference.path.startswith(HUB):
        return [find_in_cache(reference)]
    paths = find_files(reference.path, final_first=final_first)
    return [Source(name=path, path=path, reference=reference) for path in paths]
