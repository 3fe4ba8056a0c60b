"""What a spec will run: every checkpoint in every cell, under ids that are fit for folders and command lines."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from mechint.codes import Code
from mechint.errors import Fault, SpecError
from mechint.spec.checkpoints import Source
from mechint.spec.names import RESERVED_FOLDERS, is_reserved
from mechint.spec.scalars import quote
from mechint.spec.values import Cell, Item, Plan, Spec

__all__ = ["LONGEST_ID", "SEED", "label_cell", "plan"]

SEED = "seed"
"""The path of the matrix that items of one family differ in."""
LONGEST_ID = 120

_UNFIT = re.compile(r"[^A-Za-z0-9_.+-]+")
_PREFIXES = re.compile(r"^(final|best)_model_(?=.)")
_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".gguf")
_SCHEMES = re.compile(r"^(package|hf):")
_PINNED = re.compile(r"(.+)(@[0-9a-f]{8})[0-9a-f]{32}")


def plan(spec: Spec, checkpoints: Sequence[Source]) -> Plan:
    """The items of a spec: checkpoints in the order given, each in the cells in their order.

    Raises SpecError where two items would share an id, and so a folder.
    """
    labels = _label_checkpoints(spec, [checkpoint.name for checkpoint in checkpoints])
    suffixes, families = _label_cells(spec.cells), _label_cells(spec.cells, without=SEED)
    items = tuple(
        Item(
            id=_fit(f"{label}{suffix}"),
            family=_fit(f"{label}{family}"),
            spec=spec.path,
            checkpoint=checkpoint,
            cell=cell,
        )
        for checkpoint, label in zip(checkpoints, labels, strict=True)
        for cell, suffix, family in zip(spec.cells, suffixes, families, strict=True)
    )
    _refuse_twins(spec, items)
    return Plan(spec=spec, items=items, collected=len(items), selected=tuple(item.id for item in items))


def label_cell(values: Mapping[str, Any], without: str | None = None) -> str:
    """What the id of an item says of its cell, after its checkpoint: ``-target_sparsity0.95-seed1``.

    More of a path stands there where its last key alone is ambiguous.
    """
    names = {path: _shortest_name(path, tuple(values)) for path in values}
    return "".join(f"-{names[path]}{_text(value)}" for path, value in values.items() if path != without)


def _label_checkpoints(spec: Spec, names: Sequence[str]) -> list[str]:
    """The shortest kind of label that keeps all checkpoints apart.

    For ``output/final_model_stepV0.pt``: ``stepV0``, else ``final_model_stepV0``, else ``final_model_stepV0.pt``, else
    ``output-final_model_stepV0``, and so on up its folders. For ``hf:org/name@commit``: ``name``, else ``name@`` and
    the beginning of the commit, else ``org-name``.
    """
    for name in names:
        if names.count(name) > 1:
            raise SpecError(
                [Fault(file=spec.path, message=f"the checkpoint {quote(name)} is listed twice", code=Code.TWINS)]
            )
    paths = [PurePath(_SCHEMES.sub("", name)) for name in names]
    labels = [_short_label(path) for path in paths]
    for folders, whole in itertools.product(range(_deepest(paths)), (False, True)):
        if _keep_apart(labels):
            break
        labels = [_label(path, folders, whole=whole) for path in paths]
    return labels


def _keep_apart(labels: Sequence[str]) -> bool:
    return len({_fit(label).casefold() for label in labels}) == len(labels)


def _deepest(paths: Sequence[PurePath]) -> int:
    return max((len(path.parts) for path in paths), default=1)


def _short_label(path: PurePath) -> str:
    return _PREFIXES.sub("", _label(path, folders=0, whole=False), count=1)


def _label(path: PurePath, folders: int, *, whole: bool) -> str:
    """The last part of a path behind some of its folders; ``whole`` with the suffix or commit at its end."""
    parents = [part for part in path.parts[:-1] if part.strip("./\\")]
    pinned = _PINNED.fullmatch(path.name)
    if pinned is not None:
        last = pinned[1] + pinned[2] if whole else pinned[1]
    else:
        last = path.stem if path.suffix in _SUFFIXES and not whole else path.name
    return "-".join([*parents[max(0, len(parents) - folders) :], last])


def _label_cells(cells: Sequence[Cell], without: str | None = None) -> list[str]:
    """``-target_sparsity0.95-seed1`` for each cell."""
    return [label_cell(cell.values, without) for cell in cells]


def _shortest_name(path: str, paths: Sequence[str]) -> str:
    parts = path.split(".")
    for length in range(1, len(parts)):
        name = ".".join(parts[-length:])
        if sum(f".{other}".endswith(f".{name}") for other in paths) == 1:
            return name
    return path


def _text(value: Any) -> str:
    """Numbers follow their name at once, words after an underscore."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    if isinstance(value, list):
        return "_" + "+".join(_text(part).removeprefix("_") for part in value)
    return "_" + (value if isinstance(value, str) else json.dumps(value))


def _fit(text: str) -> str:
    """The text as a file name anywhere: letters, digits and ``_.+-``, no device, not hidden, not too long."""
    name = _UNFIT.sub("_", text).rstrip(".")
    if not name or name[0] in ".-":
        name = f"_{name}"
    if is_reserved(name) or name.casefold() in RESERVED_FOLDERS:
        name = f"_{name}"
    if len(name) > LONGEST_ID:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]
        name = f"{name[: LONGEST_ID - 11]}-{digest}"
    return name


def _refuse_twins(spec: Spec, items: Sequence[Item]) -> None:
    seen: dict[str, Item] = {}
    for item in items:
        twin = seen.setdefault(item.id.casefold(), item)  # some file systems do not tell A from a
        if twin is not item:
            both = " and ".join(f"{one.checkpoint.name} {json.dumps(dict(one.cell.values))}" for one in (twin, item))
            message = f"two items would have the id {quote(item.id)}: {both}"
            raise SpecError(
                [Fault(file=spec.path, message=message, hint="rename a checkpoint or a value", code=Code.TWINS)]
            )
