"""Folders of runs that never happened, with every kind of file that a page shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image

from mechint.circuit.circuit import Circuit, keep_top, save_masks
from mechint.circuit.space import Site, SiteUnits, Space
from mechint.faithfulness.effects import describe_effects
from mechint.results.values import ItemReport, Precision, RunReport, SiteSummary
from tests.effects import effect_map, peaked
from tests.figures.test_faithfulness import SIZES, point
from tests.reports import make_item, make_run


def save_units(path: Path, sites: dict[str, tuple[int, int, int]], layers: int, seed: int = 0) -> Space:
    """A ``final_masks.pt`` of sites by kind (heads, width, grain) in every layer, a fifth of the units kept."""
    units = [
        SiteUnits(site=Site(layer, kind), heads=heads, width=width, grain=grain)
        for layer in range(layers)
        for kind, (heads, width, grain) in sites.items()
    ]
    space = Space(sites=tuple(units))
    scores = torch.randn(space.size, generator=torch.Generator().manual_seed(seed)) ** 3
    path.parent.mkdir(parents=True, exist_ok=True)
    save_masks(Circuit(space=space, kept=keep_top(scores, space.kept_count(0.8)), scores=scores), path)
    return space


def summaries(space: Space) -> tuple[SiteSummary, ...]:
    return tuple(
        SiteSummary(
            site=str(units.site),
            layer=units.site.layer,
            kind=units.site.kind,
            units=units.count,
            kept=1,
            sparsity=0.8,
            mean_score=0.1,
        )
        for units in space.sites
    )


def save_item(
    folder: Path, name: str, *, layers: int = 12, width: int = 32, seed: int = 0, **changed: Any
) -> ItemReport:
    """An item with a circuit of K and V channels, a curve, two maps of effects and two pictures."""
    space = save_units(folder / name / "final_masks.pt", {"k": (4, width, 1), "v": (4, width, 1)}, layers, seed)
    for picture in ("faithfulness.png", "sparsity_curves.png"):
        Image.effect_noise((160, 120), 30).save(folder / name / picture)
    roles = peaked((layers // 2, 1), rows=layers)
    heads = effect_map(
        torch.randn(8, layers, 4, generator=torch.Generator().manual_seed(seed)),
        name="z",
        column_axis="head",
        title="what is lost when one head is patched",
    )
    given: dict[str, Any] = {
        "curve": tuple(point(size) for size in SIZES),
        "effects": describe_effects([roles, heads]),
        "precision": {"faithfulness": Precision(low=0.85, high=0.91, detectable=0.03)},
        "sites": summaries(space),
        "artifacts": ("final_masks.pt", "faithfulness.png", "sparsity_curves.png"),
    }
    return make_item(name, **{**given, **changed})


def save_run(folder: Path, items: int = 3, **changed: Any) -> RunReport:
    """A run whose items, of which all passed, have their files below the folder."""
    return make_run(tuple(save_item(folder, f"step{number}", seed=number, **changed) for number in range(items)))
