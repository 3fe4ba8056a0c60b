"""Starting a forward pass at a layer, from a residual stream that is known.

The model's own forward pass runs, so masks, positions, the last norm and the unembedding are its own. The blocks before
the layer do nothing but pass on what they got, and the layer reads the stream that is put before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mechint.circuit.space import Site
from mechint.subject.intervene import Edit, edited, replace
from mechint.subject.subject import Subject
from mechint.subject.taps import hold

__all__ = ["Recorded", "record", "recording", "resumed"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recorded:
    """A forward pass that others can start in the middle of."""

    streams: Mapping[int, Tensor]
    """The residual stream ``[b p d]`` that each layer read."""
    others: Mapping[int, int]
    """How many values each layer's block returned beside the stream."""


@torch.no_grad()
def record(subject: Subject, tokens: Tensor, mask: Tensor | None = None) -> Recorded:
    """Run the model on tokens ``[b p]`` and keep what every layer read."""
    with recording(subject) as recorded:
        subject.run(tokens, mask)
    return recorded


@contextmanager
def recording(subject: Subject) -> Iterator[Recorded]:
    """Keep what every layer reads in the forward pass in the block; the record is complete when that is over."""
    layers = range(subject.shape.n_layer)
    streams: dict[int, Tensor] = {}
    others: dict[int, int] = {}

    def keep(layer: int) -> Edit:
        def read(stream: Tensor) -> Tensor:
            streams[layer] = stream
            return stream

        return read

    with ExitStack() as stack:
        stack.enter_context(edited(subject, {Site(layer, "resid_pre"): keep(layer) for layer in layers}))
        for layer in layers:
            hold(stack, subject.block(layer).register_forward_hook(_count_others(others, layer)))
        yield Recorded(streams=streams, others=others)


@contextmanager
def resumed(subject: Subject, recorded: Recorded, layer: int, copies: int = 1, start: int = 0) -> Iterator[None]:
    """Let every forward pass in the block begin at a layer that reads the recorded stream; layers below are skipped.

    The passes run on the recorded tokens from position ``start`` on, ``copies`` times one after another. Edits below
    the layer have no effect.
    """
    stream = recorded.streams[layer][:, start:].repeat(copies, 1, 1)
    with ExitStack() as stack:
        for skipped in range(layer):
            stack.enter_context(_skipped(subject.block(skipped), recorded.others[skipped]))
        stack.enter_context(edited(subject, {Site(layer, "resid_pre"): replace(stream)}))
        yield


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
