"""What stands in for the parts of a model outside a circuit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.errors import DataError
from mechint.subject.intervene import capture
from mechint.subject.subject import Subject
from mechint.task.examples import Examples
from mechint.task.means import means_at, take_means
from mechint.task.task import Task

__all__ = ["Ablated", "Ablation", "refuse_unfit"]

REFERENCE_BATCH = 32
"""Reference examples in a forward pass; what is computed does not depend on it but for rounding."""
MOST_HELD = 1 << 30
"""Bytes of the reference's activations that are kept for a whole search; more are computed batch by batch."""


def refuse_unfit(name: str, task: Task) -> None:
    """Raise DataError where the task's examples cannot give an ablation what it needs."""
    if name == "mean":
        _refuse_unknown_templates(task)
    if name != "counterfactual":
        return
    for part, examples in (("search", task.search), ("held-out", task.heldout)):
        corrupted = examples.corrupted
        if corrupted is None:
            raise DataError(
                "ablation counterfactual takes its activations from corrupted prompts, and the task has none\n"
                "  hint: use mean or resample, or a task of prompt pairs"
            )
        apart = (examples.real != corrupted.real).any(1)
        if apart.any():
            raise DataError(
                f"ablation counterfactual needs clean and corrupted prompts of as many tokens; {int(apart.sum())} of "
                f"{len(examples)} {part} examples differ\n  hint: use mean or resample, or leave those examples out"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ablation:
    """A kind of ablation and the search examples it is computed from."""

    name: str
    """``zero``, ``mean``, ``resample`` or ``counterfactual``."""
    subject: Subject
    reference: Examples
    seed: int
    _means: dict[Site, Tensor] = field(default_factory=dict, init=False, repr=False)
    _held: dict[Site, Tensor] = field(default_factory=dict, init=False, repr=False)

    def at(self, sites: Sequence[Site]) -> Ablated:
        """Prepare it for some sites; what takes passes over the reference is computed once for each site."""
        if self.name == "mean" and (new := [site for site in sites if site not in self._means]):
            self._means.update(take_means(self.subject, new, self.reference))
        if self.name in ("resample", "counterfactual"):
            self._hold(sites)
        return Ablated(ablation=self, sites=tuple(sites), means=self._means, held=self._held)

    @property
    def described(self) -> str:
        """What it is computed from, for the methodology."""
        source = f"{len(self.reference)} search examples with sha256 {self.reference.sha256[:12]}"
        by_position = self.reference.aligned
        return {
            "zero": "the constant 0",
            "mean": f"mean per channel {'and position of each template ' if by_position else ''}over {source}",
            "resample": f"the same position in another {'of the same template ' if by_position else ''}of {source}, "
            "drawn by the seed",
            "counterfactual": "the same position in the example's own corrupted prompt",
        }[self.name]

    def _hold(self, sites: Sequence[Site]) -> None:
        """Keep the activations ``[n p u]`` that stand in for those of the reference, if they are not too many."""
        tokens = self.reference.tokens.numel()
        units = sum(self.subject.units(site).count for site in sites)
        new = [site for site in sites if site not in self._held]
        if not new or tokens * units * self.subject.dtype.itemsize > MOST_HELD:
            return
        shown = self.reference.corrupted if self.name == "counterfactual" else self.reference
        assert shown is not None, "refuse_unfit comes first"
        parts = [capture(self.subject, new, batch.tokens, batch.mask) for batch in shown.batches(REFERENCE_BATCH)]
        self._held.update({site: torch.cat([part[site] for part in parts]) for site in new})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ablated:
    """An ablation, ready at some sites."""

    ablation: Ablation
    sites: tuple[Site, ...]
    means: Mapping[Site, Tensor]
    """``[u]`` at each site, or ``[t p u]`` for templates and their n-th tokens; empty unless the ablation is mean."""
    held: Mapping[Site, Tensor]
    """``[n p u]`` for the reference's examples, where they are kept."""

    def values(self, source: Examples, rows: Sequence[int]) -> dict[Site, Tensor]:
        """The ablated activation of some rows of the search or held-out examples, broadcastable to ``[b p u]``.

        Resampling draws by the row's number, so an example meets the same partner in every batch, and a search example
        never meets itself.
        """
        examples = source.take(torch.tensor(rows))
        match self.ablation.name:
            case "zero":
                zero = torch.zeros((), dtype=self.ablation.subject.dtype, device=self.ablation.subject.device)
                return dict.fromkeys(self.sites, zero)
            case "mean":
                return {site: means_at(self.means[site], examples) for site in self.sites}
            case "resample":
                partners = [self._partner(source, row) for row in rows]
                others = self.ablation.reference.take(torch.tensor(partners))
                return self._moved(self._seen(others, partners), others, examples)
            case "counterfactual":
                corrupted = examples.corrupted
                assert corrupted is not None, "refuse_unfit comes first"
                return self._seen(corrupted, rows if source is self.ablation.reference else None)
        raise AssertionError(f"no ablation is named {self.ablation.name}")

    def _seen(self, shown: Examples, rows: Sequence[int] | None) -> dict[Site, Tensor]:
        """Activations ``[b p u]`` on these examples; looked up where they are those of the reference's rows."""
        if rows is not None and all(site in self.held for site in self.sites):
            at = torch.tensor(rows, device=self.ablation.subject.device)
            return {site: self.held[site][at] for site in self.sites}
        return capture(self.ablation.subject, self.sites, shown.tokens, shown.mask)

    def _moved(self, seen: dict[Site, Tensor], others: Examples, examples: Examples) -> dict[Site, Tensor]:
        """The partners' activations at the positions of the examples' tokens."""
        if examples.mask is None and others.mask is None:
            return {site: activation[:, : examples.tokens.shape[1]] for site, activation in seen.items()}
        places = _places(examples, others).to(self.ablation.subject.device)  # [b p]
        example = torch.arange(len(places), device=places.device).unsqueeze(1)
        return {site: activation[example, places] for site, activation in seen.items()}

    def _partner(self, source: Examples, row: int) -> int:
        """The row of the reference that stands in for a row of the source."""
        reference = self.ablation.reference
        own = row if source is reference else None
        generator = torch.Generator().manual_seed(self.ablation.seed * 1_000_003 + row)
        candidates = torch.arange(len(reference))
        if reference.aligned and source.pairs is not None and reference.pairs is not None:
            alike = (reference.pairs.template == source.pairs.template[row]).nonzero().flatten().cpu()
            candidates = alike if len(alike) > (own is not None) else candidates
        candidates = candidates[candidates != own] if own is not None else candidates
        return int(candidates[int(torch.randint(len(candidates), (), generator=generator))])


def _refuse_unknown_templates(task: Task) -> None:
    search, heldout = task.search.pairs, task.heldout.pairs
    if search is None or heldout is None or not search.aligned:
        return
    unknown = set(heldout.template.tolist()) - set(search.template.tolist())
    if unknown:
        raise DataError(
            f"ablation mean is taken for each template, and {len(unknown)} templates of held-out examples have no "
            "search example\n  hint: ask for more search examples, or name fewer templates"
        )


def _places(examples: Examples, others: Examples) -> Tensor:
    """For every position ``[b p]`` one of the partner's: for the n-th token its n-th, and so round its tokens."""
    real = others.real.long()
    return real.argmax(1, keepdim=True) + examples.nth % real.sum(1, keepdim=True)
