"""Relevance: how much of an output came through each place, by the gradient of the output times the activation.

With the model's own gradient that is the first-order effect of the activation against zero (``plain``). Under the
rules of ``subject.relevance_rules`` with attention held, the gradient is that of a model which is linear around the
run, so that what the places of a layer get adds up to the output, but for what biases add (``cp_lrp``). ``relp`` takes
that gradient times the difference from the corrupted prompt's activation (2508.21258).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.errors import DataError
from mechint.journal import Journal
from mechint.search.base_run import activations
from mechint.search.spans import Spans
from mechint.subject.intervene import Edit, edited
from mechint.subject.relevance_rules import Rules, find_rules
from mechint.subject.subject import Subject
from mechint.task.examples import Examples
from mechint.task.metric import Metric
from mechint.task.score import read_values

__all__ = ["PARTS", "Relevance", "Rule", "measure_relevance"]

Rule = Literal["plain", "cp_lrp", "attn_lrp", "relp"]

PARTS = ("attn_out", "mlp_out")
"""What a layer adds to the stream."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Relevance:
    """Of every example, in the metric's unit; positive where the metric is better for it."""

    stream: Tensor
    """``[n l c]``, of what enters each layer, at each span of positions; nan where an example has none of them."""
    parts: Tensor
    """``[n l 2]``, of what attention and the MLP of each layer add, over all positions."""
    sums: Tensor
    """``[n l+1]``, over all positions of what enters each layer, and of what the last one leaves."""
    output: Tensor
    """``[n]``, what is shared out: the metric, for relp its difference between the two prompts; lower is better with
    its sign changed."""

    @property
    def gap(self) -> Tensor:
        """How far the sums are from the output, as a share of its mean size ``[l+1]``."""
        return (self.sums - self.output[:, None]).abs().mean(0) / self.output.abs().mean()


def measure_relevance(
    subject: Subject,
    metric: Metric,
    examples: Examples,
    rule: Rule,
    spans: Spans,
    journal: Journal,
    *,
    batch_size: int,
) -> Relevance:
    """One forward and one backward pass over the examples; for relp two more forward passes over the corrupted ones.

    Raises DataError where the metric has no gradient or relp no corrupted prompts, and CheckpointError where the rules
    do not fit the model.
    """
    if "full" in metric.needs:
        raise DataError(
            f"the metric {metric.name} compares with the full model, where its gradient is zero, so that nothing is "
            "relevant to it\n  hint: metric: logit_diff, or loss"
        )
    rules = None if rule == "plain" else find_rules(subject)
    parts = []
    batches = list(examples.batches(batch_size))
    for number, batch in enumerate(batches):
        parts.append(_Pass(subject=subject, metric=metric, batch=batch, rule=rule, rules=rules).measure(spans))
        journal.progress(f"relevance {rule}", number + 1, len(batches))
    return Relevance(
        stream=torch.cat([part.stream for part in parts]),
        parts=torch.cat([part.parts for part in parts]),
        sums=torch.cat([part.sums for part in parts]),
        output=torch.cat([part.output for part in parts]),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pass:
    """Some examples, run together."""

    subject: Subject
    metric: Metric
    batch: Examples
    rule: Rule
    rules: Rules | None
    """None where the gradient is the model's own."""

    def measure(self, spans: Spans) -> Relevance:
        layers = range(self.subject.shape.n_layer)
        entering = [Site(layer, "resid_pre") for layer in layers]
        streams = [*entering, Site(layers[-1], "resid_post")]
        parts = [Site(layer, kind) for layer in layers for kind in PARTS]
        with self._gradients():
            seen, values = self._run([*streams, *parts])
            given = torch.autograd.grad(values.sum(), list(seen.values()), allow_unused=True)
        found = self._relevance(seen, given)
        output = values.detach()
        if self.rule == "relp":
            output = output - self._values(_corrupted(self.batch))
        return Relevance(
            stream=torch.stack([spans.sum(found[site], self.batch) for site in entering], dim=1),
            parts=torch.stack([found[site].sum(1) for site in parts], dim=1).unflatten(1, (-1, len(PARTS))),
            sums=torch.stack([found[site].sum(1) for site in streams], dim=1),
            output=output.cpu().double(),
        )

    @contextmanager
    def _gradients(self) -> Iterator[None]:
        attending: Literal["constant", "shared"] = "shared" if self.rule == "attn_lrp" else "constant"
        with torch.enable_grad(), nullcontext() if self.rules is None else self.rules.applied(attending):
            yield

    def _run(self, sites: Sequence[Site]) -> tuple[dict[Site, Tensor], Tensor]:
        """The activations ``[b p d]`` at the sites, and the signed metric ``[b]``, which depends on them."""
        seen: dict[Site, Tensor] = {}

        def keep(site: Site) -> Edit:
            def through(activation: Tensor) -> Tensor:
                begins = site == sites[0]
                # A copy, for what comes after reads it and not the tensor that it may be a part of.
                seen[site] = activation.detach().clone().requires_grad_() if begins else activation.clone()
                return seen[site]

            return through

        with edited(self.subject, {site: keep(site) for site in sites}):
            values = self._values(self.batch)
        if not values.requires_grad:
            raise DataError(
                f"the metric {self.metric.name} has no gradient, and relevance needs one\n"
                "  hint: metric: logit_diff, or leave relevance out of method.quantities"
            )
        return seen, values

    def _values(self, examples: Examples) -> Tensor:
        """The metric of each example ``[b]``, with its sign changed where lower is better."""
        readout = self.subject.readout(examples.tokens, examples.mask, examples.where)
        (values,) = read_values([self.metric.score], readout, examples)
        return values if self.metric.higher_is_better else -values

    @torch.no_grad()
    def _relevance(self, seen: Mapping[Site, Tensor], gradients: Sequence[Tensor | None]) -> dict[Site, Tensor]:
        """Gradient times activation ``[b p]`` at each site, added up over the channels; 0 at padding."""
        sites = list(seen)
        against: Mapping[Site, Tensor] = {}
        if self.rule == "relp":
            against = activations(self.subject, _corrupted(self.batch), sites)
        found = {}
        for site, gradient in zip(sites, gradients, strict=True):
            activation = seen[site]
            moved = activation - against[site] if against else activation
            shares = torch.zeros_like(moved) if gradient is None else gradient * moved
            found[site] = shares.double().sum(-1).cpu().masked_fill(~self.batch.real.cpu(), 0)
        return found


@torch.no_grad()
def _corrupted(examples: Examples) -> Examples:
    """The corrupted prompts, token by token beside the clean ones."""
    corrupted = examples.corrupted
    if corrupted is None:
        raise DataError("relp compares with corrupted prompts, and the task has none\n  hint: rules: [cp_lrp]")
    if not torch.equal(examples.real, corrupted.real):
        raise DataError("relp needs clean and corrupted prompts of as many tokens\n  hint: rules: [cp_lrp]")
    return corrupted
