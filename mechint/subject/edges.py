"""A forward pass in which every input reads a residual stream of its own, so that single edges can be cut.

The model's own blocks run, one at a time:

1. What each part of the earlier layers wrote is known. The stream of an input is the sum of it, with stand-ins for the
   parts that the input is cut off from.
2. The block runs on every stream that its heads need, and gives each head's q, k or v on the head's own stream.
3. It runs with these in their places, and gives z; once more for each head, with the z of all others at zero, and gives
   what the head writes.
4. It runs on the stream of the MLP, and gives what that writes.

So the norm before a projection sees all of its input's stream, and nothing else. The bias of the attention's output is
no head's, and nothing is cut off from it. A layer takes four runs of its block, one for every head, and one for every
further stream that its heads read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from mechint.circuit.edges import EMB, Edge, EdgeSpace, Input, Part
from mechint.circuit.space import Site
from mechint.codes import Code
from mechint.errors import CheckpointError
from mechint.subject.intervene import Edit, at_heads, capture, edited, keep_only, replace
from mechint.subject.subject import Subject
from mechint.subject.taps import hold

__all__ = ["EdgeRuns", "edge_space"]

_NEEDED = ("resid_pre", "resid_post", "q", "k", "v", "z", "attn_out", "mlp_out")
_TOLERANCE = 1e-3
"""Of logits, relative to the largest; narrow types get their own rounding on top."""


def edge_space(subject: Subject) -> EdgeSpace:
    """The edges of a model; CheckpointError where its table lacks a site that they need, or heads are mixed in z."""
    table, shape = subject.architecture, subject.shape
    if lacking := [kind for kind in _NEEDED if kind not in table.sites]:
        raise CheckpointError(
            f"{subject.name}: its edges cannot be cut: {table.name} has no {', '.join(lacking)}", code=Code.ARCHITECTURE
        )
    if table.mixes_heads:
        raise CheckpointError(
            f"{subject.name}: its edges cannot be cut: in {table.name} z is not each head's own", code=Code.ARCHITECTURE
        )
    return EdgeSpace(
        n_layer=shape.n_layer,
        n_head=shape.n_head,
        n_kv_head=shape.n_kv_head,
        side_by_side="resid_mid" not in table.sites,
    )


class EdgeRuns:
    """Forward passes on the same tokens with different edges cut.

    Raises CheckpointError for a model whose parts do not add up to what it computes, such as one that normalises what
    its heads write together.
    """

    def __init__(self, subject: Subject, tokens: Tensor, mask: Tensor | None = None) -> None:
        self.subject = subject
        self.space = edge_space(subject)
        self._tokens, self._mask = tokens, mask
        entered = Site(0, "resid_pre")
        self._embedded = capture(subject, [entered], tokens, mask)[entered]
        self._blocks = _record_blocks(subject, tokens, mask)
        self.full = self.logits(frozenset(self.space.edges), {})
        """``[b p v]`` with nothing cut, to compare others with: the bare model's but for rounding."""
        self._refuse_other_than_sums()

    def written(self) -> dict[Part, Tensor]:
        """What every part writes ``[b p d]`` with nothing cut; a stand-in for passes on other tokens."""
        return self._run(frozenset(self.space.edges), {}).written

    @torch.no_grad()
    def project(self, layer: int, moved: Tensor) -> dict[Site, Tensor]:
        """q, k and v of a layer ``[b p u]``, nothing cut, where ``moved`` ``[b p d]`` is added to what they read."""
        block = self._blocks[layer]
        read = {Site(layer, "resid_pre"): lambda stream: stream + moved}
        return block.run(read, [Site(layer, kind) for kind in "qkv"])

    @torch.no_grad()
    def logits(self, kept: Set[Edge], stand_in: Mapping[Part, Tensor]) -> Tensor:
        """Logits ``[b p v]`` where inputs read along the kept edges alone.

        Along the others they read what ``stand_in`` has for the writer, ``[b p d]``, and zero where it has nothing.
        """
        run = self._run(kept, stand_in)
        last = Site(self.space.n_layer - 1, "resid_post")
        with edited(self.subject, {last: replace(run.stream(self.space.inputs[-1]))}):
            return self.subject.logits(self._tokens, self._mask)

    @torch.no_grad()
    def _refuse_other_than_sums(self) -> None:
        bare = self.subject.logits(self._tokens, self._mask)
        real = slice(None) if self._mask is None else self._mask.to(bare.device)
        difference, largest = (self.full - bare)[real].abs().max(), bare[real].abs().max()
        rounding = torch.finfo(self.subject.dtype).eps * len(self.space.parts)
        if not difference <= (_TOLERANCE + rounding) * largest:
            raise CheckpointError(
                f"{self.subject.name}: its edges cannot be cut: its heads and MLPs, added up, give logits that differ "
                f"from its own by up to {float(difference):.2g} ({self.subject.architecture.name})",
                code=Code.ARCHITECTURE,
            )

    @torch.no_grad()
    def _run(self, kept: Set[Edge], stand_in: Mapping[Part, Tensor]) -> _Run:
        run = _Run(space=self.space, kept=kept, stand_in=stand_in, written={EMB: self._embedded})
        for block in self._blocks:
            self._attend(block, run)
            run.written[Part("M", block.layer)] = self._mlp(block, run)
        return run

    def _project(self, block: _Block, run: _Run) -> dict[Site, Tensor]:
        """q, k and v of a layer, each head's made of the stream that it reads."""
        sites = [Site(block.layer, kind) for kind in "qkv"]
        seen: dict[frozenset[Part], dict[Site, Tensor]] = {}  # by what the stream's reader is cut off from
        heads: dict[Site, list[Tensor]] = {site: [] for site in sites}
        for reader in self.space.inputs_of_heads(block.layer):
            cut = run.cut_off(reader)
            if cut not in seen:
                seen[cut] = block.run({Site(block.layer, "resid_pre"): replace(run.stream(reader))}, sites)
            site = Site(block.layer, reader.kind.lower())
            by_head = seen[cut][site].unflatten(-1, (self.subject.units(site).heads, -1))  # [b p h k]
            heads[site].append(by_head[..., reader.head, :])
        return {site: torch.cat(values, dim=-1) for site, values in heads.items()}  # [b p u] each

    def _attend(self, block: _Block, run: _Run) -> None:
        """Add to the run what each head of a layer writes, and what attention adds without any."""
        z, out = Site(block.layer, "z"), Site(block.layer, "attn_out")
        seen = block.run({site: replace(value) for site, value in self._project(block, run).items()}, [z])

        def only(heads: Sequence[int]) -> Tensor:
            """What attention adds ``[b p d]`` when z is zero but at some heads."""
            silent = keep_only(at_heads(self.subject.units(z), heads), torch.zeros(()))
            return block.run({z: lambda _: silent(seen[z])}, [out])[out]

        bias = run.biases[block.layer] = only([])
        for head in range(self.space.n_head):
            run.written[Part("A", block.layer, head)] = only([head]) - bias

    def _mlp(self, block: _Block, run: _Run) -> Tensor:
        reads = Site(block.layer, "resid_pre" if self.space.side_by_side else "resid_mid")
        out = Site(block.layer, "mlp_out")
        return block.run({reads: replace(run.stream(Input("M", block.layer)))}, [out])[out]


@dataclass(slots=True, kw_only=True, eq=False)
class _Run:
    """A forward pass as far as it has come."""

    space: EdgeSpace
    kept: Set[Edge]
    stand_in: Mapping[Part, Tensor]
    written: dict[Part, Tensor]
    """By every part so far, ``[b p d]``."""
    biases: dict[int, Tensor] = field(default_factory=dict)
    """What attention adds without any head, by layer, ``[b p d]``."""

    def cut_off(self, reader: Input) -> frozenset[Part]:
        """The parts that an input does not read."""
        return frozenset(part for part in self.space.writers(reader) if Edge(part, reader) not in self.kept)

    def stream(self, reader: Input) -> Tensor:
        """The residual stream ``[b p d]`` that an input reads."""
        writers, cut = self.space.writers(reader), self.cut_off(reader)
        read = [self.stand_in.get(part) if part in cut else self.written[part] for part in writers]
        read += [self.biases[part.layer] for part in writers if part.kind == "A" and part.head == 0]
        stream = torch.zeros_like(self.written[EMB])
        for value in read:
            if value is not None:
                stream = stream + value
        return stream


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Block:
    """A layer's block with what it was called with in a pass."""

    subject: Subject
    layer: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def run(self, edits: Mapping[Site, Edit], sites: Sequence[Site]) -> dict[Site, Tensor]:
        """Run the block alone under some edits and return the activations ``[b p u]`` at some of its sites."""
        seen: dict[Site, Tensor] = {}

        def keep(site: Site) -> Edit:
            def read(activation: Tensor) -> Tensor:
                seen[site] = activation
                return activation

            return read

        with edited(self.subject, edits), edited(self.subject, {site: keep(site) for site in sites}):
            self.subject.block(self.layer)(*self.args, **self.kwargs)
        return seen


def _record_blocks(subject: Subject, tokens: Tensor, mask: Tensor | None) -> list[_Block]:
    blocks: list[_Block] = []

    def record(layer: int) -> Any:
        def see(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            blocks.append(_Block(subject=subject, layer=layer, args=args, kwargs=kwargs))

        return see

    with ExitStack() as stack, torch.no_grad():
        for layer in range(subject.shape.n_layer):
            hold(stack, subject.block(layer).register_forward_pre_hook(record(layer), with_kwargs=True))
        subject.run(tokens, mask)
    return blocks
