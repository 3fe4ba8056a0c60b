"""Estimates of activation patching by gradients: one or a few backward passes for all places at once.

Attribution patching takes the first-order effect at the run that is patched (Nanda 2023; Syed et al. 2023,
arXiv:2310.10348). Integrated gradients average the gradient along the way from that run's embeddings to the other
run's, at midpoints (Hanna et al. 2024, arXiv:2403.17806); the effects of all that the embedding gives then add up to
the difference between the runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.errors import DataError
from mechint.journal import Journal
from mechint.search.patch_grid import Grid
from mechint.search.patched_run import Cell
from mechint.search.patching import Batch, Patching
from mechint.search.sweep import activations
from mechint.subject.architecture import EMBED
from mechint.subject.intervene import Edit, edited

__all__ = ["estimate_effects"]


def estimate_effects(patching: Patching, grids: Sequence[Grid], journal: Journal, *, points: Sequence[float]) -> Tensor:
    """The estimated effect of every place ``[n c]``, in the metric's unit; nan where an example lacks it.

    ``points`` are where gradients are taken: 0 at the run that is patched, 1 at the one that gives. Each costs a
    forward and a backward pass.
    """
    sites = list(dict.fromkeys(site for grid in grids for site in grid.sites))
    batches = list(patching.batches())
    parts = []
    for number, batch in enumerate(batches):
        base, source = (
            activations(patching.subject, examples, [EMBED, *sites]) for examples in (batch.base, batch.source)
        )
        moved = {
            site: (source[site] - base[site]) * gradient
            for site, gradient in _mean_gradients(patching, batch, base, source, sites, points).items()
        }
        cells = [cell for grid in grids for cell in grid.cells(batch.base)]
        changes = torch.stack([_sum(moved, cell) for cell in cells], dim=1)
        lacking = torch.cat([grid.lacking(batch.base) for grid in grids], dim=1)
        effects = patching.effect(changes, torch.zeros_like(changes))
        parts.append(effects.masked_fill(lacking, torch.nan))
        journal.progress("gradients", number + 1, len(batches))
    return torch.cat(parts)


def _mean_gradients(
    patching: Patching,
    batch: Batch,
    base: Mapping[Site, Tensor],
    source: Mapping[Site, Tensor],
    sites: Sequence[Site],
    points: Sequence[float],
) -> dict[Site, Tensor]:
    """The mean gradient of the metric ``[b p u]`` at each site, along the way between the embeddings."""
    total = {site: torch.zeros_like(base[site]) for site in sites}
    for point in points:
        embedded = torch.lerp(base[EMBED], source[EMBED], point)
        for site, gradient in _gradients(patching, batch, embedded, sites).items():
            total[site] += gradient / len(points)
    return total


def _gradients(patching: Patching, batch: Batch, embedded: Tensor, sites: Sequence[Site]) -> dict[Site, Tensor]:
    """Of the metric of each example with respect to its own activations ``[b p u]``."""
    seen: dict[Site, Tensor] = {}

    def keep(site: Site) -> Edit:
        def through(activation: Tensor) -> Tensor:
            # A copy, for what comes after reads it and not the tensor that it may be a part of.
            seen[site] = activation.clone()
            return seen[site]

        return through

    def begin(_: Tensor) -> Tensor:
        return embedded.detach().requires_grad_()

    examples = batch.base
    with (
        torch.enable_grad(),
        edited(patching.subject, {EMBED: begin}),
        edited(patching.subject, {site: keep(site) for site in sites}),
    ):
        readout = patching.subject.readout(examples.tokens, examples.mask, examples.where)
        values = batch.read(readout, examples)
    if not values.requires_grad:
        raise DataError(
            f"the metric {patching.metric.name} has no gradient\n  hint: approximation: exact, or metric: logit_diff"
        )
    gradients = torch.autograd.grad(values.sum(), [seen[site] for site in sites], allow_unused=True)
    return {
        site: torch.zeros_like(seen[site]) if gradient is None else gradient
        for site, gradient in zip(sites, gradients, strict=True)
    }


def _sum(moved: Mapping[Site, Tensor], cell: Cell) -> Tensor:
    """The estimated change of the metric ``[b]`` under an intervention."""
    total = torch.zeros((), dtype=torch.double)
    for patch in cell:
        values = moved[patch.site].double()[..., patch.units or slice(None)].sum(-1)  # [b p]
        total = total + (values if patch.where is None else values * patch.where.to(values)).sum(1).cpu()
    return total
