"""The circuits of a run, small enough to stand in its page: scores and kept units of every site, cell by cell.

Where a run has more units than a page can hold, neighbouring units share a cell: its score is the one furthest from 0
among them, and it says how many of them are kept. The exact numbers stay in ``final_masks.pt`` and the CSV beside it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechint.pages.files import inside
from mechint.results.values import ItemReport

if TYPE_CHECKING:
    from mechint.checkpoint.masks import SiteMask

__all__ = ["Circuits", "pack_circuits"]

MASKS = "final_masks.pt"
MOST_CELLS = 250_000
"""In a page; each takes about five letters."""
MOST_OF_A_SITE, FEWEST_OF_A_SITE = 512, 16
"""Cells of one site, where a page has room and where it has not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuits:
    """What the page's script draws, as JSON can hold it, and what it leaves out."""

    items: tuple[dict[str, Any], ...]
    missing: int
    """Items whose folders hold no circuit."""
    left_out: int
    """Items that the page has no room for."""
    shared: int
    """Most units in a cell; 1 where every unit has its own."""


def pack_circuits(reports: Sequence[ItemReport], output_dir: Path) -> Circuits:
    """Read every item's ``final_masks.pt``, as many as fit in a page.

    Raises UsageError for a file that is no saved circuit.
    """
    there = [(report, path) for report in reports if (path := inside(output_dir, report.id, MASKS)) is not None]
    sites = sum(len(report.sites) for report, _ in there)
    limit = min(max(MOST_CELLS // max(sites, 1), FEWEST_OF_A_SITE), MOST_OF_A_SITE)
    packed: list[dict[str, Any]] = []
    room = MOST_CELLS
    for report, path in there:
        room -= limit * len(report.sites)
        if packed and room < 0:
            break
        packed.append(_pack(report, path, limit))
    return Circuits(
        items=tuple(packed),
        missing=len(reports) - len(there),
        left_out=len(there) - len(packed),
        shared=max((group["share"] for item in packed for group in item["groups"]), default=1),
    )


def _pack(report: ItemReport, path: Path, limit: int) -> dict[str, Any]:
    """One circuit: groups of sites of one shape, and the cells of all their layers after one another.

    Scores are halves (float16) of the largest in size, kept units numbers of 16 bits, both in base64.
    """
    import numpy as np

    from mechint.checkpoint.masks import read_masks

    sites = read_masks(str(path))
    order = sorted(sites, key=lambda site: [one.kind for one in sites].index(site.kind))
    cells = [_cells(site, _share(site, limit)) for site in order]
    scores, kept = (np.concatenate(parts) for parts in zip(*cells, strict=True))
    largest = float(np.abs(scores[np.isfinite(scores)]).max(initial=0.0)) or 1.0
    return {
        "id": report.id,
        "outcome": report.outcome.value,
        "scores_are": report.scores_are,
        "groups": list(_groups(order, limit)),
        "largest": largest,
        "scores": _base64((scores / largest).astype("<f2").tobytes()),
        "kept": _base64(kept.astype("<u2").tobytes()),
    }


def _share(site: SiteMask, limit: int) -> int:
    """Units in a cell: the fewest that keep to the limit, or up to twice as many where a head is then whole cells."""
    heads, width = site.scores.shape
    fewest = -(-heads * width // limit)
    return next((units for units in range(fewest, 2 * fewest + 1) if width % units == 0), fewest)


def _cells(site: SiteMask, share: int) -> tuple[Any, Any]:
    """The score furthest from 0 and the number of kept units of every cell ``[c]``."""
    import numpy as np

    filled = -len(site.scores.ravel()) % share
    scores = np.pad(site.scores.ravel().astype(np.float64), (0, filled)).reshape(-1, share)
    kept = np.pad(site.kept.ravel(), (0, filled)).reshape(-1, share)
    furthest = np.abs(np.nan_to_num(scores, nan=np.inf)).argmax(1)
    return scores[np.arange(len(scores)), furthest], kept.sum(1)


def _groups(sites: Iterable[SiteMask], limit: int) -> Iterable[dict[str, Any]]:
    for (kind, heads, width), group in groupby(sites, key=lambda site: (site.kind, *site.scores.shape)):
        layers = list(group)
        share = _share(layers[0], limit)
        yield {
            "kind": kind,
            "heads": heads,
            "width": width,
            "share": share,
            "layers": [site.layer for site in layers],
        }


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
