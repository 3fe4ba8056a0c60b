"""Mean activations over a reference: of each channel, and of each place in a template where places mean the same."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.subject.intervene import capture
from mechint.subject.subject import Subject
from mechint.task.examples import Examples

__all__ = ["means_at", "take_means"]

BATCH = 32
"""Examples in a forward pass; the means do not depend on it but for rounding."""


def take_means(subject: Subject, sites: Sequence[Site], reference: Examples) -> dict[Site, Tensor]:
    """Mean activation at each site, summed in float64.

    Over examples and positions, ``[u]``; where the examples are aligned over examples alone, for each template and its
    n-th token, ``[t p u]``.
    """
    totals: dict[Site, Tensor] = {}
    places = _places(reference)  # [n p]
    count = torch.zeros(int(places.max()) + 1, dtype=torch.double)
    for start in range(0, len(reference), BATCH):
        rows = slice(start, start + BATCH)
        batch = reference.take(rows)
        real = batch.real.cpu()
        at = places[rows][real]  # [r], of the batch's r tokens
        count.index_add_(0, at, torch.ones(len(at), dtype=torch.double))
        for site, activation in capture(subject, sites, batch.tokens, batch.mask).items():
            seen = activation.cpu()[real].double()  # [r u]; not every device has float64
            total = totals.setdefault(site, torch.zeros(len(count), seen.shape[1], dtype=torch.double))
            total.index_add_(0, at, seen)
    # Where a template has no token the count is 0, and the mean is never looked at.
    means = {site: total / count.clamp(min=1).unsqueeze(1) for site, total in totals.items()}
    return {site: _shaped(mean, reference).to(subject.device, subject.dtype) for site, mean in means.items()}


def means_at(means: Tensor, examples: Examples) -> Tensor:
    """What stands in at each position of some examples: ``[u]`` everywhere, or their templates' ``[b p u]``."""
    if means.dim() == 1:
        return means
    assert examples.pairs is not None, "means by template are for prompts"
    return means[examples.pairs.template.unsqueeze(1), examples.nth]


def _places(reference: Examples) -> Tensor:
    """The number of the mean that each position ``[n p]`` counts for."""
    if not reference.aligned:
        return torch.zeros(reference.tokens.shape, dtype=torch.long)
    assert reference.pairs is not None, "only prompts are aligned"
    first: Tensor = reference.pairs.template.unsqueeze(1) * reference.tokens.shape[1]  # [n 1]
    return (first + reference.nth).cpu()


def _shaped(means: Tensor, reference: Examples) -> Tensor:
    """``[1 u]`` as ``[u]``, or one for each place ``[t*p u]`` as ``[t p u]``."""
    if not reference.aligned:
        return means[0]
    width = reference.tokens.shape[1]
    missing = means.new_zeros(-len(means) % width, means.shape[1])
    by_place: Tensor = torch.cat([means, missing]).unflatten(0, (-1, width))
    return by_place
