"""A circuit: which units of a space are kept, and how much each one matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mechint.circuit.effect_map import EffectMap
from mechint.circuit.space import Space
from mechint.files import atomic_write

if TYPE_CHECKING:
    from mechint.results.values import TitledTable

__all__ = ["Analysis", "Circuit", "keep_top", "random_like", "save_masks"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Circuit:
    """The units kept out of a space.

    ``kept`` is a boolean vector ``[n]``; ``scores`` ``[n]`` says how much each unit matters, positive where it helps;
    ``Analysis.scores_are`` says what exactly it estimates.
    """

    space: Space
    kept: Tensor
    scores: Tensor
    groups: Tensor | None = None
    """``[n]``, one number for units that are kept or dropped together; None where every unit is by itself."""

    @property
    def sparsity(self) -> float:
        """Fraction of the units that is dropped."""
        return 1.0 - int(self.kept.sum()) / self.space.size


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Analysis:
    """What a method gives back: a circuit, and what was learned on the way."""

    circuit: Circuit
    scores_are: str
    """One phrase that says what the scores estimate, for tables and figures."""
    summary: Sequence[str] = ()
    """Sentences for the report, such as which estimator won on the search examples."""
    tables: Sequence[TitledTable] = ()
    """What else the report should show, row by row."""
    effects: tuple[EffectMap, ...] = ()
    """Maps of effects, which are drawn and which assertions can name; no two have one name."""


def keep_top(scores: Tensor, count: int) -> Tensor:
    """Boolean mask ``[n]`` of the ``count`` largest scores; ties go to the lower index, so the result is exact."""
    order = torch.sort(scores, descending=True, stable=True).indices
    kept = torch.zeros_like(scores, dtype=torch.bool)
    kept[order[:count]] = True
    return kept


def random_like(circuit: Circuit, generator: torch.Generator) -> Tensor:
    """Boolean mask ``[n]`` of a random circuit that keeps as many units as ``circuit`` at every site.

    Where a whole site is a unit, it keeps as many as ``circuit`` of every kind of site. Units of one group stay
    together: what is shuffled are groups with as many units at the same sites.
    """
    kept = circuit.kept.clone()
    for units in _interchangeable(circuit):
        kept[units] = circuit.kept[units[torch.randperm(len(units), generator=generator)]]
    return kept


def _interchangeable(circuit: Circuit) -> list[Tensor]:
    """Of the groups that lie at the same places the units ``[groups units]``, for each such choice of places."""
    # At a site that is one unit there is nothing to draw, so such sites are drawn over the layers.
    places = [
        units.site.kind if units.count == 1 else str(units.site)
        for units in circuit.space.sites
        for _ in range(units.count)
    ]
    groups = range(len(places)) if circuit.groups is None else circuit.groups.tolist()
    members: dict[int, list[int]] = {}
    for unit, group in enumerate(groups):
        members.setdefault(group, []).append(unit)
    alike: dict[tuple[str, ...], list[list[int]]] = {}
    for units in members.values():
        alike.setdefault(tuple(places[unit] for unit in units), []).append(units)
    return [torch.tensor(units) for units in alike.values()]


def save_masks(circuit: Circuit, path: Path) -> None:
    """Write ``final_masks.pt``: ``{site: {mask, importance, sparsity}}``, loadable with ``weights_only=True``.

    ``mask`` (0 or 1) and ``importance`` are float32 ``[heads width]``, as the analyses of older tools are, or
    ``[heads 1]`` where a head is a unit, ``[1 1]`` where a site is.
    """
    kept, scores = circuit.space.split(circuit.kept), circuit.space.split(circuit.scores)
    rows = {units.site: 1 if units.count < units.heads else units.heads for units in circuit.space.sites}
    masks = {
        str(units.site): {
            "mask": kept[units.site].float().reshape(rows[units.site], -1).clone(),
            "importance": scores[units.site].float().reshape(rows[units.site], -1).clone(),
            "sparsity": 1.0 - float(kept[units.site].float().mean()),
        }
        for units in circuit.space.sites
    }
    with atomic_write(path) as stream:
        torch.save(masks, stream)
