"""The weights of a checkpoint that holds more than weights, taken out without running anything that it names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, TypeGuard

import torch

from mechint.checkpoint.archive import check_archive
from mechint.checkpoint.checkpoint import FACTS_KEYS, Checkpoint, checkpoint_of, loading
from mechint.checkpoint.kinds import tell_kind
from mechint.checkpoint.opened import open_unchanged
from mechint.checkpoint.sizes import MOST_WEIGHTS
from mechint.checkpoint.stand_ins import StandIn, load_with_stand_ins
from mechint.codes import Code
from mechint.errors import CheckpointError

__all__ = ["Rescued", "rescue_checkpoint", "save_rescued"]

_LONGEST = 200
"""Characters of the name of a module within modules."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rescued:
    """A checkpoint, and what its file named beside weights."""

    checkpoint: Checkpoint
    named: tuple[str, ...]
    """Classes and functions, none of which was imported."""
    nameless: Mapping[str, int]
    """Sections of facts that are saved without their names, with the number of values in each."""


def rescue_checkpoint(path: str) -> Rescued:
    """Read a file of torch.save that may hold a whole model, or objects of any class beside its weights.

    Raises CheckpointError where it has no weights, or weights that are more than dense tensors.
    """
    with open_unchanged(path) as file:
        if tell_kind(path, file.head) != "archive":
            raise CheckpointError(f"{path}: is not a file of torch.save, so there is nothing in it to leave out")
        check_archive(file, names=False)
        sha256 = file.sha256()
        with loading(file):
            content, named = load_with_stand_ins(file)
        content = _laid_out(content)
        return Rescued(
            checkpoint=checkpoint_of(file, sha256, _opened(path, content)),
            named=named,
            nameless=dict(_nameless(content)),
        )


def save_rescued(rescued: Rescued, stream: IO[bytes]) -> None:
    """Write the weights and plain facts, as ``torch.save`` does and every command here reads."""
    found = rescued.checkpoint
    known = {"iter_num": found.step, "best_val_loss": found.best_val_loss}
    content = {"model": dict(found.weights), "config": dict(found.facts)}
    torch.save(content | {key: value for key, value in known.items() if value is not None}, stream)


def _laid_out(content: object) -> object:
    """What a trainer would have saved, where the content is a model or an object with its parts for attributes."""
    if _is_module(content):
        return {"model": content, "config": content.entries.get("config")}
    return content.entries if isinstance(content, StandIn) else content


def _nameless(content: object) -> Iterator[tuple[str, int]]:
    for key in FACTS_KEYS:
        section = content.get(key) if isinstance(content, Mapping) else None
        if isinstance(section, StandIn) and section.nameless:
            yield key, section.nameless


def _opened(path: str, content: object) -> object:
    """The content with its objects as mappings: a model as its weights, any other as its attributes."""
    if not isinstance(content, Mapping):
        return content
    return {key: _section(path, value) for key, value in content.items()}


def _section(path: str, value: object) -> object:
    if _is_module(value):
        return dict(_state(path, value))
    return value.entries if isinstance(value, StandIn) else value


def _is_module(value: object) -> TypeGuard[StandIn]:
    return isinstance(value, StandIn) and "_parameters" in value.entries


def _state(path: str, module: StandIn) -> Iterator[tuple[str, object]]:
    """What ``state_dict`` of the model would have given, in its order."""
    waiting = [("", module)]
    for _ in range(MOST_WEIGHTS):
        if not waiting:
            return
        prefix, one = waiting.pop()
        if len(prefix) > _LONGEST:
            break
        passing = one.entries.get("_non_persistent_buffers_set")
        for part in ("_parameters", "_buffers"):
            for name, value in _items(one, part):
                if value is not None and not (isinstance(passing, set) and name in passing):
                    yield f"{prefix}{name}", value
        inner = [(f"{prefix}{name}.", value) for name, value in _items(one, "_modules")]
        waiting += [(name, value) for name, value in reversed(inner) if isinstance(value, StandIn)]
    raise CheckpointError(f"{path}: its modules hold each other, or are too many", code=Code.DAMAGED)


def _items(module: StandIn, part: str) -> Iterable[tuple[object, object]]:
    found = module.entries.get(part)
    return found.items() if isinstance(found, Mapping) else ()
