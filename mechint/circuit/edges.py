"""Circuits of edges: which part of a model writes what another part reads from the residual stream.

Parts are named as in the field: ``emb``, the head ``A1.0``, the MLP ``M1``. What they read from the stream is
``A1.0.Q``, ``A1.0.K``, ``A1.0.V``, ``M1`` and ``out``. An edge goes from a part to a later input: ``M0->A1.0.V``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

__all__ = ["EMB", "Edge", "EdgeSpace", "Input", "Part", "keep_needed", "parts_on"]


@dataclass(frozen=True, slots=True)
class Part:
    """What writes to the residual stream: the embedding with its positions, a head or an MLP."""

    kind: Literal["emb", "A", "M"]
    layer: int
    head: int = 0

    def __str__(self) -> str:
        return {"emb": "emb", "A": f"A{self.layer}.{self.head}", "M": f"M{self.layer}"}[self.kind]


EMB = Part("emb", -1)


@dataclass(frozen=True, slots=True)
class Input:
    """What reads the residual stream: the q, k or v of a head, an MLP, or the unembedding."""

    kind: Literal["Q", "K", "V", "M", "out"]
    layer: int
    head: int = 0
    """Of K and V the key and value head, which several query heads may share."""

    def __str__(self) -> str:
        return {"M": f"M{self.layer}", "out": "out"}.get(self.kind, f"A{self.layer}.{self.head}.{self.kind}")


@dataclass(frozen=True, slots=True)
class Edge:
    """What one part writes, as one input reads it."""

    writer: Part
    reader: Input

    def __str__(self) -> str:
        return f"{self.writer}->{self.reader}"


@dataclass(frozen=True, kw_only=True)
class EdgeSpace:
    """All edges of a model, by its sizes."""

    n_layer: int
    n_head: int
    n_kv_head: int
    """Fewer than ``n_head`` under grouped-query attention."""
    side_by_side: bool = False
    """Whether attention and MLP of a layer read the same stream, so that neither reads the other."""

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """In the order in which they write."""
        return (EMB, *(part for layer in range(self.n_layer) for part in self._parts_of(layer)))

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """In the order in which they read."""
        inputs = (read for layer in range(self.n_layer) for read in (*self.inputs_of_heads(layer), Input("M", layer)))
        return (*inputs, Input("out", self.n_layer))

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Input by input, and for each in the order in which its writers write."""
        return tuple(Edge(writer, reader) for reader in self.inputs for writer in self.writers(reader))

    def inputs_of_heads(self, layer: int) -> tuple[Input, ...]:
        """Every Q, then every K, then every V."""
        return (
            *(Input("Q", layer, head) for head in range(self.n_head)),
            *(Input("K", layer, head) for head in range(self.n_kv_head)),
            *(Input("V", layer, head) for head in range(self.n_kv_head)),
        )

    def writers(self, reader: Input) -> tuple[Part, ...]:
        """The parts that write before an input reads, in the order in which they write."""
        return tuple(part for part in self.parts if self._time(part) < self._time(reader))

    def parts_with(self, reader: Input) -> tuple[Part, ...]:
        """The parts whose input it is: one, or the heads that share a key and value head; none for ``out``."""
        if reader.kind in ("M", "out"):
            return (Part("M", reader.layer),) if reader.kind == "M" else ()
        group = 1 if reader.kind == "Q" else self.n_head // self.n_kv_head
        return tuple(Part("A", reader.layer, reader.head * group + one) for one in range(group))

    def _parts_of(self, layer: int) -> Iterator[Part]:
        yield from (Part("A", layer, head) for head in range(self.n_head))
        yield Part("M", layer)

    def _time(self, end: Part | Input) -> int:
        """When a part reads, and writes; what it reads was written earlier."""
        return 2 * end.layer + (end.kind == "M" and not self.side_by_side)


def keep_needed(space: EdgeSpace, suffices: Callable[[frozenset[Edge]], bool]) -> frozenset[Edge]:
    """The edges left when every one that can be is dropped, one after another, from the output backwards.

    The order is that of Conmy et al. 2023 (2304.14997): inputs from the last to the first, and for each its writers
    from the last to the first. An edge is dropped for good where the others that are left suffice. ``suffices`` is not
    asked about an input of parts that no edge leaves any more: nothing that they read can arrive.
    """
    kept = set(space.edges)
    for reader in reversed(space.inputs):
        parts = space.parts_with(reader)
        idle = bool(parts) and {edge.writer for edge in kept}.isdisjoint(parts)
        for writer in reversed(space.writers(reader)):
            edge = Edge(writer, reader)
            if idle or suffices(frozenset(kept - {edge})):
                kept.remove(edge)
    return frozenset(kept)


def parts_on(edges: Set[Edge], space: EdgeSpace) -> tuple[Part, ...]:
    """The heads and MLPs that one of the edges leaves, in the order in which they write."""
    writers = {edge.writer for edge in edges}
    return tuple(part for part in space.parts if part in writers and part != EMB)
