"""The axis of training steps: where checkpoints of one training lie on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath

from mechint.comparison.entries import Member

__all__ = ["FEWEST_STEPS", "steps_of"]

FEWEST_STEPS = 3
"""Checkpoints from which on steps are an axis; two are a pair."""

_NAMED = re.compile(r"(?:step|iter|iter_num|iteration|checkpoint|ckpt)[-_=]?(\d+)(?!\d)", re.IGNORECASE)


def steps_of(members: Mapping[str, Member]) -> dict[str, int]:
    """The step of each entry, by what its checkpoint states or else by its file's name; empty where there is no axis.

    There is one where three entries or more are of one architecture and size and each has a step of its own.
    """
    kinds = {(member.checkpoint.architecture, member.checkpoint.parameters) for member in members.values()}
    if len(members) < FEWEST_STEPS or len(kinds) > 1:
        return {}
    stated = {name: member.checkpoint.step for name, member in members.items()}
    named = {name: _named_step(member.checkpoint.path) for name, member in members.items()}
    for steps in (stated, named):
        known = {name: step for name, step in steps.items() if step is not None}
        if len(set(known.values())) == len(members):
            return known
    return {}


def _named_step(path: str) -> int | None:
    """The number in ``ckpt_step1000.pt`` or ``checkpoint-500``; None where there is none, or several."""
    parts = PurePath(path).parts[-2:]
    for part in reversed(parts):
        found = _NAMED.findall(part)
        if len(found) == 1 and len(found[0]) < 16:
            return int(found[0])
    return None
