"""The run that interventions patch, recorded so that they need not begin at its beginning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.errors import first_line
from mechint.subject.intervene import Edit, capture, edited
from mechint.subject.prefix import Cached, Caching, why_no_prefix
from mechint.subject.readout import Readout
from mechint.subject.resume import Recorded, recording
from mechint.subject.subject import Subject
from mechint.task.examples import Examples

__all__ = ["Base", "activations", "run_base"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Base:
    """The run that is patched."""

    examples: Examples
    static: Mapping[Site, Edit]
    recorded: Recorded
    readout: Readout
    """At the scored positions."""
    cached: Cached | None
    """None where the model takes no keys and values."""
    why_whole: str | None
    """Why they are None."""


@torch.no_grad()
def run_base(
    subject: Subject, examples: Examples, static: Mapping[Site, Edit] | None = None, sites: Sequence[Site] = ()
) -> Base:
    """Run the examples, under edits that every intervention finds in place, and record the run.

    The edits must treat every position by itself. What is put at ``sites``, and at streams and heads, is compared with
    what is there already, so that no pass computes what does not change.
    """
    held = dict(static or {})
    cached, why_whole = None, why_no_prefix(subject)
    recorded, readout = None, None
    if why_whole is None:
        caching = Caching(subject)
        try:
            recorded, readout = _record(caching.subject, examples, held, sites)
        except Exception as error:  # what a family does not allow, it raises in its own way
            why_whole = f"{subject.architecture.name} does not run with a cache: {first_line(error)}"
        else:
            cached = caching.cached(examples.tokens.shape[1])
            why_whole = None if cached else f"{subject.architecture.name} caches something else than keys and values"
    if recorded is None or readout is None:
        recorded, readout = _record(subject, examples, held, sites)
    return Base(examples=examples, static=held, recorded=recorded, readout=readout, cached=cached, why_whole=why_whole)


def activations(
    subject: Subject, examples: Examples, sites: Sequence[Site], static: Mapping[Site, Edit] | None = None
) -> Mapping[Site, Tensor]:
    """The run that values are taken from: the activation ``[b p u]`` at some sites."""
    with edited(subject, static or {}):
        return capture(subject, sites, examples.tokens, examples.mask)


def _record(
    subject: Subject, examples: Examples, static: Mapping[Site, Edit], sites: Sequence[Site]
) -> tuple[Recorded, Readout]:
    with edited(subject, static), recording(subject, sites) as recorded:
        readout = subject.readout(examples.tokens, examples.mask, examples.where)
    return recorded, readout
