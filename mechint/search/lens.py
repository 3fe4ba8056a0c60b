"""The logit lens: what the model would predict if what a layer leaves were what the last layer leaves.

The last norm, the unembedding and whatever follows are the model's own, so at the last layer the lens shows the model's
own prediction. A tuned lens maps what a layer leaves by an affine map first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.journal import Journal
from mechint.search.base_run import activations, run_base
from mechint.search.patched_run import Patch, Read
from mechint.search.sweep import sweep
from mechint.subject.readout import Readout
from mechint.subject.subject import Subject
from mechint.subject.tuned_lens import Affine
from mechint.task.examples import Examples
from mechint.task.metric import Reading
from mechint.task.predictions import Predictions, over_positions, values_at
from mechint.task.score import read_values

__all__ = ["Seen", "look_through"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What the lens shows of the answers of every example at every layer ``[n l]``, as means over scored positions."""

    probability: Tensor
    """Of all answers together."""
    rank: Tensor
    """Of the best answer; 1 is the most probable token, and of tokens that tie each has the mean of their ranks."""


def look_through(
    subject: Subject,
    examples: Examples,
    tuned: Mapping[int, Affine],
    journal: Journal,
    *,
    batch_size: int,
    budget: int,
) -> Seen:
    """Put every layer's stream in place of the last one's; passes run the last layer alone."""
    layers = range(subject.shape.n_layer)
    sites = [Site(layer, "resid_post") for layer in layers]
    found: dict[str, list[Tensor]] = {name: [] for name in _READINGS}
    for batch in examples.batches(batch_size):
        base, streams = run_base(subject, batch), activations(subject, batch, sites)
        shown = [tuned[site.layer](streams[site]) if site.layer in tuned else streams[site] for site in sites]
        cells = [(Patch(site=sites[-1], value=stream),) for stream in shown]
        for name, reading in _READINGS.items():
            values = sweep(subject, base, {}, cells, _reader(reading), journal, budget=budget, stage=f"lens_{name}")
            found[name].append(values.T)
    return Seen(probability=torch.cat(found["probability"]), rank=torch.cat(found["rank"]))


def _reader(reading: Reading) -> Read:
    def read(readout: Readout, examples: Examples) -> Tensor:
        (values,) = read_values([reading], readout, examples)
        return values

    return read


def _probability(seen: Predictions) -> Tensor:
    return seen.log_prob(seen.answers).exp()


def _rank(seen: Predictions) -> Tensor:
    best = values_at(seen.logits, seen.answers, absent=-torch.inf).amax(-1, keepdim=True)
    before, beside = ((seen.logits > best).sum(-1), (seen.logits == best).sum(-1) - 1)
    return 1 + before + beside.to(seen.logits.dtype) / 2


_READINGS = {
    "probability": Reading(rows=_probability, pool=over_positions),
    "rank": Reading(rows=_rank, pool=over_positions),
}
