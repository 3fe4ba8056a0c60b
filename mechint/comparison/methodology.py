"""How entries were measured and found: what is not the same is named, and what depends on it is not compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mechint.comparison.entries import Loaded
from mechint.comparison.values import Unlike
from mechint.results.describe import site_ranges
from mechint.results.values import Methodology

__all__ = ["MEASURED", "comparable", "same_examples", "unlikes"]

MEASURED = "everything that was measured on examples"
SCORES = "mean scores"
CIRCUITS = "circuits unit by unit"

_DECISIVE = ("metric", "direction", "ablation", "precision")
"""What a faithfulness number depends on whatever the examples."""
_NAMED = ("search_precision", "device", "random_circuits")
"""What moves a number by rounding or chance alone."""


def unlikes(entry: str, ours: Loaded, theirs: Loaded) -> Iterator[Unlike]:
    """Everything in which an entry is not like the base, with what is not compared because of it."""
    now, before = ours.member.methodology, theirs.member.methodology
    for what in (*_DECISIVE, *_NAMED):
        yield from _unlike(
            entry, what, getattr(now, what), getattr(before, what), MEASURED if what in _DECISIVE else ""
        )
    if not _same_sites(ours, theirs):
        yield from _unlike(entry, "sites", _cut(ours), _cut(theirs), f"{MEASURED}, {CIRCUITS}")
    elif ours.space != theirs.space:
        yield from _unlike(entry, "size", _size(ours), _size(theirs), CIRCUITS)
    yield from _unlike_examples(entry, now, before)
    mine, other = ours.member.items[0], theirs.member.items[0]
    yield from _unlike(entry, "scores", mine.scores_are, other.scores_are, SCORES)
    for section in ("method", "task", "cell"):
        yield from _unlike_options(entry, section, getattr(mine, section), getattr(other, section))


def comparable(ours: Loaded, theirs: Loaded) -> bool:
    """Whether what was measured on examples may be compared at all."""
    return not any(MEASURED in found.leaves_out for found in unlikes("", ours, theirs))


def same_examples(ours: Loaded, theirs: Loaded) -> bool:
    """Whether the measures can be compared example by example."""
    return ours.member.methodology.examples_sha256 == theirs.member.methodology.examples_sha256


def _unlike(entry: str, what: str, value: Any, base_value: Any, leaves_out: str = "") -> Iterator[Unlike]:
    if value != base_value:
        yield Unlike(entry=entry, what=what, value=_plain(value), base_value=_plain(base_value), leaves_out=leaves_out)


def _unlike_examples(entry: str, now: Methodology, before: Methodology) -> Iterator[Unlike]:
    """Other examples are another sample; on the same ones, another reference is another ablation."""
    if now.examples_sha256 != before.examples_sha256:
        sizes = [f"{one.examples}, sha256 {one.examples_sha256[:12]}" for one in (now, before)]
        yield Unlike(
            entry=entry, what="examples", value=sizes[0], base_value=sizes[1], leaves_out="differences within examples"
        )
    elif now.ablation == before.ablation:
        yield from _unlike(entry, "reference", now.reference, before.reference, MEASURED)


def _unlike_options(entry: str, section: str, now: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[Unlike]:
    for option in dict.fromkeys((*now, *before)):
        name = option if section == "cell" else f"{section}.{option}"
        if option != "seed" and not (section == "cell" and option.partition(".")[0] in ("method", "task")):
            yield from _unlike(entry, name, now.get(option), before.get(option))


def _same_sites(ours: Loaded, theirs: Loaded) -> bool:
    """Whether both circuits are cut at the same sites; models of different depths at the same kinds, in every layer."""
    mine, others = ([units.site for units in one.space.sites] for one in (ours, theirs))
    if ours.layers == theirs.layers:
        return mine == others
    kinds = {site.kind for site in mine}
    whole = all(len(sites) == len(kinds) * one.layers for sites, one in ((mine, ours), (others, theirs)))
    return whole and kinds == {site.kind for site in others}


def _cut(loaded: Loaded) -> str:
    return f"{site_ranges(str(units.site) for units in loaded.space.sites)} of {loaded.layers} layers"


def _size(loaded: Loaded) -> str:
    return f"{loaded.space.size:,} units in {loaded.layers} layers"


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else f"{text[:50]}...{text[-25:]}"
