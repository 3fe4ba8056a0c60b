"""What stands in for the parts of a model outside a circuit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.subject.intervene import capture
from mechint.subject.subject import Subject
from mechint.task.examples import Examples

__all__ = ["Ablated", "Ablation"]

REFERENCE_BATCH = 32
"""Reference examples in a forward pass when means are taken; the means do not depend on it but for rounding."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ablation:
    """A kind of ablation and the search examples it is computed from."""

    name: str
    """``zero``, ``mean`` (per channel, over the reference's examples and positions) or ``resample`` (another
    reference example's activation at the same position)."""
    subject: Subject
    reference: Examples
    seed: int

    def at(self, sites: Sequence[Site]) -> Ablated:
        """Prepare it for some sites; the mean costs a forward pass over the reference."""
        means = _means(self.subject, sites, self.reference) if self.name == "mean" else {}
        return Ablated(ablation=self, sites=tuple(sites), means=means)

    @property
    def described(self) -> str:
        """What it is computed from, for the methodology."""
        source = f"{len(self.reference)} search examples with sha256 {self.reference.sha256[:12]}"
        return {
            "zero": "the constant 0",
            "mean": f"mean per channel over {source}",
            "resample": f"the same position in another of {source}, drawn with seed {self.seed}",
        }[self.name]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ablated:
    """An ablation, ready at some sites."""

    ablation: Ablation
    sites: tuple[Site, ...]
    means: Mapping[Site, Tensor]
    """``[u]`` at each site; empty unless the ablation is the mean."""

    def values(self, examples: Examples, rows: Sequence[int]) -> dict[Site, Tensor]:
        """The ablated activation at each site, broadcastable to ``[b p u]``.

        ``rows`` numbers the examples; resampling draws by that number, so an example meets the same partner in every
        batch, and a search example never meets itself.
        """
        if self.ablation.name == "mean":
            return dict(self.means)
        if self.ablation.name == "zero":
            zero = torch.zeros((), dtype=self.ablation.subject.dtype, device=self.ablation.subject.device)
            return dict.fromkeys(self.sites, zero)
        partners = torch.tensor([self._partner(row) for row in rows])
        others = self.ablation.reference.take(partners)
        if examples.mask is None and others.mask is None:
            return capture(self.ablation.subject, self.sites, others.tokens[:, : examples.tokens.shape[1]])
        seen = capture(self.ablation.subject, self.sites, others.tokens, others.mask)
        places = _places(examples.real, others.real)  # [b p]
        example = torch.arange(len(places), device=places.device).unsqueeze(1)
        return {site: activation[example, places] for site, activation in seen.items()}

    def _partner(self, row: int) -> int:
        count = len(self.ablation.reference)
        generator = torch.Generator().manual_seed(self.ablation.seed * 1_000_003 + row)
        return (row + int(torch.randint(1, count, (), generator=generator))) % count


def _places(real: Tensor, others: Tensor) -> Tensor:
    """For every position ``[b p]`` one of the partner's: for the n-th token its n-th, and so round its tokens."""
    nth = (real.long().cumsum(1) - 1).clamp(min=0)
    first, count = others.long().argmax(1, keepdim=True), others.sum(1, keepdim=True)
    return first + nth % count


def _means(subject: Subject, sites: Sequence[Site], reference: Examples) -> dict[Site, Tensor]:
    """Mean over examples and positions of each channel: ``[u]`` at each site, summed in float64."""
    totals: dict[Site, Tensor] = {}
    for batch in reference.batches(REFERENCE_BATCH):
        for site, activation in capture(subject, sites, batch.tokens, batch.mask).items():
            summed = activation[batch.real].cpu().double().sum(0)  # [u]; not every device has float64
            totals[site] = totals[site] + summed if site in totals else summed
    count = int(reference.real.sum())
    return {site: (total / count).to(subject.device, subject.dtype) for site, total in totals.items()}
