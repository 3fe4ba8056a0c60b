"""Direct logit attribution: what each part of a model adds to the answers' logits, past all later layers.

What leaves the last layer is the sum of what entered the first one and of what every attention and MLP added. The last
norm, with the scale that it has in the run, and the unembedding are linear, so the answers' logit is the sum of what
they make of each part, and of their biases. Where a model caps its logits, it is the logit before that.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.journal import Journal
from mechint.search.relevance import PARTS
from mechint.subject.direct_path import DirectPath, capture_with_readout, find_last_path, unembedded
from mechint.subject.norms import wide
from mechint.subject.subject import Subject
from mechint.task.examples import NO_TOKEN, Examples
from mechint.task.predictions import Right, over_positions, right_at

__all__ = ["DirectAttribution", "attribute_directly", "directions", "name_target"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DirectAttribution:
    """Of every example, the mean over its scored positions, in logits."""

    parts: Tensor
    """``[n l 2]``, of what attention and the MLP of each layer add."""
    embedding: Tensor
    """``[n]``, of what enters the first layer."""
    bias: Tensor
    """``[n]``, of the last norm's bias and the unembedding's."""
    logit: Tensor
    """``[n]``, what the unembedding gives: the sum of all, but for rounding."""

    @property
    def total(self) -> Tensor:
        """The sum of all parts ``[n]``."""
        return self.parts.sum((1, 2)) + self.embedding + self.bias


@torch.no_grad()
def attribute_directly(subject: Subject, examples: Examples, journal: Journal, *, batch_size: int) -> DirectAttribution:
    """One forward pass over the examples. Raises CheckpointError where the direct path is not linear."""
    path = find_last_path(subject)
    found = []
    batches = list(examples.batches(batch_size))
    for number, batch in enumerate(batches):
        found.append(_attribute(subject, path, batch))
        journal.progress("direct attribution", number + 1, len(batches))
    return DirectAttribution(
        parts=torch.cat([one.parts for one in found]),
        embedding=torch.cat([one.embedding for one in found]),
        bias=torch.cat([one.bias for one in found]),
        logit=torch.cat([one.logit for one in found]),
    )


def directions(values: Tensor, right: Right) -> Tensor:
    """The answers' mean row of ``[v …]`` less that of the distractors, or where there are none of all tokens.

    Of the unembedding ``[v d]`` that is the direction ``[n d]`` of the logit that is attributed.
    """
    others = values.mean(0) if right.distractors is None else _mean_rows(values, right.distractors)
    return _mean_rows(values, right.answers) - others


def name_target(examples: Examples) -> str:
    """What is attributed, in words."""
    if examples.pairs is None or examples.pairs.answers is None:
        return "the right token's logit less the mean logit"
    against = "mean logit" if examples.pairs.distractors is None else "distractors' mean logit"
    return f"the answers' mean logit less the {against}"


def _attribute(subject: Subject, path: DirectPath, batch: Examples) -> DirectAttribution:
    layers = range(subject.shape.n_layer)
    first, last = Site(0, "resid_pre"), Site(layers[-1], "resid_post")
    parts = [Site(layer, kind) for layer in layers for kind in PARTS]
    with unembedded(subject) as given:
        seen, _ = capture_with_readout(
            subject, dict.fromkeys([first, last, *parts], slice(None)), batch.tokens, batch.mask, batch.where
        )
    where = batch.where.to(subject.device)
    read, stream = wide(given[0][where]).double(), wide(seen[last][where]).double()  # [n d]
    right = right_at(batch.to(subject.device))
    toward = directions(path.unembedding, right).double()  # [n d]
    scale = path.norm.scale(stream, read)  # [n]
    shift = (toward * path.norm.bias).sum(-1) + directions(path.bias, right)

    def together(values: Tensor) -> Tensor:
        return over_positions(values, batch.to(subject.device)).cpu().double()

    def added(site: Site) -> Tensor:
        return together(scale * (path.norm.enter(wide(seen[site][where]).double()) * toward).sum(-1))

    return DirectAttribution(
        parts=torch.stack([added(site) for site in parts], dim=1).unflatten(1, (-1, len(PARTS))),
        embedding=added(first),
        bias=together(shift),
        logit=together((read * toward).sum(-1) + directions(path.bias, right)),
    )


def _mean_rows(values: Tensor, ids: Tensor) -> Tensor:
    """The mean ``[n …]`` of the rows of token ids ``[n a]``."""
    there = (ids != NO_TOKEN).to(values).view(*ids.shape, *[1] * (values.dim() - 1))
    mean: Tensor = (values[ids.clamp(min=0)] * there).sum(1) / there.sum(1)
    return mean
