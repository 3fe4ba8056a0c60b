"""Starting a forward pass in the middle, from activations that are known.

The model's own forward pass runs, so masks, positions, the last norm and the unembedding are its own. The blocks before
the first layer that anything enters do nothing but pass on what they got.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mechint.circuit.space import Site
from mechint.subject.intervene import Edit, edited
from mechint.subject.joining import Entry, find_attention, let_in
from mechint.subject.subject import Subject
from mechint.subject.taps import hold

__all__ = ["Entry", "Recorded", "record", "recording", "resumed"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recorded:
    """A forward pass that others can start in the middle of."""

    activations: Mapping[Site, Tensor]
    """``[b p u]`` at the stream that each layer reads, at its heads where the table leads to a module of attention, and
    at sites that were asked for."""
    others: Mapping[int, int]
    """How many values each layer's block returned beside the stream."""


@torch.no_grad()
def record(subject: Subject, tokens: Tensor, mask: Tensor | None = None) -> Recorded:
    """Run the model on tokens ``[b p]`` and keep what every layer read."""
    with recording(subject) as recorded:
        subject.run(tokens, mask)
    return recorded


@contextmanager
def recording(subject: Subject, sites: Sequence[Site] = ()) -> Iterator[Recorded]:
    """Keep what every layer reads in the forward pass in the block; the record is complete when that is over."""
    layers = range(subject.shape.n_layer)
    activations: dict[Site, Tensor] = {}
    others: dict[int, int] = {}
    streams = [Site(layer, "resid_pre") for layer in layers]
    heads = [Site(layer, "z") for layer in layers if find_attention(subject, layer) is not None]
    with ExitStack() as stack:
        stack.enter_context(edited(subject, {site: _keep(activations, site) for site in (*streams, *heads, *sites)}))
        for layer in layers:
            hold(stack, subject.block(layer).register_forward_hook(_count_others(others, layer)))
        yield Recorded(activations=activations, others=others)


@contextmanager
def resumed(subject: Subject, recorded: Recorded, entries: Sequence[Entry], start: int = 0) -> Iterator[None]:
    """Let every forward pass in the block begin where the first of some copies of the recorded examples enters.

    The passes run on the recorded tokens from position ``start`` on, once for each of ``entries``, one after another,
    which stand in the order in which they enter. Edits have no effect on a copy before it enters. Those that the record
    holds already must be put on before the block at streams and heads, so that they do not change what enters.
    """
    assert list(entries) == sorted(entries)
    with ExitStack() as stack:
        for skipped in range(entries[0].layer):
            stack.enter_context(_skipped(subject.block(skipped), recorded.others[skipped]))
        for layer in range(max(entries[0].layer, 0), entries[-1].layer + 1):
            let_in(subject, layer, entries, recorded.activations, start, stack)
        yield


def _keep(kept: dict[Site, Tensor], site: Site) -> Edit:
    def read(activation: Tensor) -> Tensor:
        kept[site] = activation
        return activation

    return read


def _count_others(others: dict[int, int], layer: int) -> Any:
    def count(_module: nn.Module, _inputs: object, output: object) -> None:
        others[layer] = len(output) - 1 if isinstance(output, tuple) else 0

    return count


@contextmanager
def _skipped(block: nn.Module, others: int) -> Iterator[None]:
    """Make a block return its first input, in the form in which it returned its stream."""

    def forward(*args: Any, **kwargs: Any) -> Any:
        hidden = args[0] if args else kwargs["hidden_states"]
        return (hidden, *[None] * others) if others else hidden

    block.forward = forward
    try:
        yield
    finally:
        del block.forward
