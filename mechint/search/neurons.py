"""What single neurons do: how large they are, which logits they move directly, and on which text they fire.

Everything is a mean or a best over the examples, batch by batch: what is held does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mechint.circuit.space import Site, Space
from mechint.journal import Journal
from mechint.search.direct_attribution import directions
from mechint.subject.direct_path import DirectPath, capture_with_readout, output_weights
from mechint.subject.intervene import Edit, edited
from mechint.subject.subject import Subject
from mechint.task.examples import Examples
from mechint.task.predictions import right_at

__all__ = ["Firings", "Neuron", "Portraits", "measure_norms", "moved_tokens", "portray", "top_neurons"]

KIND = "mlp_post"
FIRINGS = 3
"""Examples that are kept of each neuron."""


@dataclass(frozen=True, slots=True, order=True)
class Neuron:
    """A neuron by its layer and its number there: ``11.340``."""

    layer: int
    index: int

    def __str__(self) -> str:
        return f"{self.layer}.{self.index}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Firings:
    """The examples on which each of ``t`` neurons fires most, the strongest first: three tensors ``[t k]``."""

    activation: Tensor
    """Of the largest size in its example."""
    example: Tensor
    position: Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Portraits:
    """What is known of ``t`` neurons from the examples."""

    neurons: tuple[Neuron, ...]
    activation: Tensor
    """``[t]``, mean over the scored positions."""
    effect: Tensor | None
    """``[t]``, mean over the scored positions of what the neuron adds directly to the logits of the answers, less
    those of the distractors or, where there are none, the mean logit; None where the direct path is not linear."""
    firings: Firings | None
    """None where examples are prompts."""


def measure_norms(subject: Subject, space: Space, examples: Examples, journal: Journal, *, batch_size: int) -> Tensor:
    """Mean size of each neuron's activation times the length of what it writes ``[n]``: one forward pass."""
    totals = {units.site: torch.zeros(units.count, dtype=torch.double) for units in space.sites}
    batches = list(examples.batches(subject.at_once(batch_size)))
    for number, batch in enumerate(batches):
        shares = _shares(batch, batch.real)  # [b p]
        with torch.no_grad(), edited(subject, {site: _adding(total, shares) for site, total in totals.items()}):
            subject.run(batch.tokens, batch.mask)
        journal.progress("activation norm", number + 1, len(batches))
    lengths = [output_weights(subject, units.site.layer).norm(dim=1).cpu().double() for units in space.sites]
    sizes = [total / _weight(examples) for total in totals.values()]
    return torch.cat([size * length for size, length in zip(sizes, lengths, strict=True)])


def top_neurons(space: Space, scores: Tensor, count: int) -> tuple[Neuron, ...]:
    """The neurons with the ``count`` largest scores ``[n]`` of each layer, layer by layer, the best first."""
    return tuple(
        Neuron(site.layer, int(index))
        for site, piece in space.split(scores).items()
        for index in torch.sort(piece, descending=True, stable=True).indices[:count]
    )


@torch.no_grad()
def portray(
    subject: Subject,
    examples: Examples,
    neurons: Sequence[Neuron],
    path: DirectPath | None,
    journal: Journal,
    *,
    batch_size: int,
) -> Portraits:
    """Watch some neurons, given layer by layer, on all examples: one forward pass."""
    activation = torch.zeros(len(neurons), dtype=torch.double)
    effect = torch.zeros(len(neurons), dtype=torch.double)
    firings: Firings | None = None
    entered = None if path is None else enter(subject, path, neurons)
    batches = list(examples.batches(subject.at_once(batch_size)))
    for number, batch in enumerate(batches):
        seen = _watch(subject, batch, neurons)
        shares = _shares(batch, batch.where)[batch.where]  # [n]
        activation += _sum(shares, seen.scored)
        if path is not None and entered is not None:
            toward = directions(path.unembedding, right_at(batch)) @ entered.T  # [n t]
            scale = path.norm.scale(seen.stream, seen.read).unsqueeze(1)  # [n 1]
            effect += _sum(shares, seen.scored * toward * scale)
        if examples.pairs is None:
            firings = _strongest(firings, seen.activations, batch.real, first=number * subject.at_once(batch_size))
        journal.progress("top neurons", number + 1, len(batches))
    return Portraits(
        neurons=tuple(neurons),
        activation=activation / _weight(examples),
        effect=None if path is None else effect / _weight(examples),
        firings=firings,
    )


def enter(subject: Subject, path: DirectPath, neurons: Sequence[Neuron]) -> Tensor:
    """What the unembedding reads ``[t d]`` of each neuron at activation 1, where the last norm's scale is 1."""
    return torch.cat(
        [path.norm.enter(output_weights(subject, layer)[indices]) for layer, indices in _by_layer(neurons).items()]
    )


def moved_tokens(subject: Subject, path: DirectPath, neurons: Sequence[Neuron], count: int) -> tuple[Tensor, Tensor]:
    """The tokens ``[t c]`` whose logits a positive activation raises most, and those that it lowers most."""
    raised, lowered = [], []
    for neuron in neurons:  # one at a time, as vocabularies are large
        moves = path.unembedding @ enter(subject, path, [neuron])[0]  # [v]
        raised.append(moves.topk(min(count, len(moves))).indices)
        lowered.append((-moves).topk(min(count, len(moves))).indices)
    return torch.stack(raised), torch.stack(lowered)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """What some examples make of ``t`` neurons and of the stream after the last layer."""

    activations: Tensor
    """``[b p t]``."""
    scored: Tensor
    """The same at the scored positions alone, ``[n t]``."""
    stream: Tensor
    """``[n d]``."""
    read: Tensor
    """What the unembedding read, ``[n d]``."""


def _watch(subject: Subject, batch: Examples, neurons: Sequence[Neuron]) -> _Seen:
    last = Site(subject.shape.n_layer - 1, "resid_post")
    units: dict[Site, Sequence[int] | slice] = {
        Site(layer, KIND): indices for layer, indices in _by_layer(neurons).items()
    }
    there = {last: slice(None)} if last.kind in subject.architecture.sites else {}
    seen, readout = capture_with_readout(subject, units | there, batch.tokens, batch.mask, batch.where)
    activations = torch.cat([seen[site] for site in units], dim=-1)
    scored = activations[batch.where]
    stream = seen[last][batch.where] if there else scored[:, :0]
    wide = torch.promote_types(scored.dtype, torch.float32)
    return _Seen(activations=activations, scored=scored.to(wide), stream=stream.to(wide), read=readout.last.to(wide))


def _by_layer(neurons: Sequence[Neuron]) -> dict[int, list[int]]:
    """The numbers of the neurons of each layer, in their order."""
    found: dict[int, list[int]] = {}
    for neuron in neurons:
        found.setdefault(neuron.layer, []).append(neuron.index)
    return found


def _adding(total: Tensor, shares: Tensor) -> Edit:
    """Reads an activation ``[b p u]`` and adds its size, each position by its share ``[b p]``, to a total ``[u]``."""

    def read(activation: Tensor) -> Tensor:
        sizes = activation.abs().masked_fill(shares.unsqueeze(-1) == 0, 0).to(shares.dtype)
        total.add_(torch.einsum("bp,bpu->u", shares, sizes).cpu())
        return activation

    return read


def _shares(batch: Examples, where: Tensor) -> Tensor:
    """What each position ``[b p]`` counts: an example's weight, spread evenly over where ``where`` is true."""
    weight = torch.ones(len(batch)) if batch.weight is None else batch.weight
    shares: Tensor = where * (weight.to(where.device).float() / where.sum(1)).unsqueeze(1)
    return shares


def _sum(shares: Tensor, values: Tensor) -> Tensor:
    """Values ``[n t]`` by their shares ``[n]``, added up: ``[t]``."""
    return (shares.unsqueeze(1) * values).cpu().double().sum(0)


def _weight(examples: Examples) -> float:
    return float(len(examples)) if examples.weight is None else float(examples.weight.sum())


def _strongest(held: Firings | None, activations: Tensor, real: Tensor, *, first: int) -> Firings:
    """The strongest firings so far, with those of a batch whose activations are ``[b p t]``; ``first`` is its row."""
    position = activations.abs().masked_fill(~real.unsqueeze(-1), -1).argmax(1)  # [b t]
    activation = activations.gather(1, position.unsqueeze(1)).squeeze(1)  # [b t]
    example = torch.arange(first, first + len(position), device=position.device).unsqueeze(1).expand_as(position)
    found = [value.T.cpu() for value in (activation, example, position)]  # [t b] each
    if held is not None:
        before = (held.activation, held.example, held.position)
        found = [torch.cat(both, dim=1) for both in zip(before, found, strict=True)]
    # A stable sort: of equals the earlier example stays, whatever the batches are.
    order = found[0].abs().sort(dim=1, descending=True, stable=True).indices[:, :FIRINGS]
    activation, example, position = (value.gather(1, order) for value in found)
    return Firings(activation=activation, example=example, position=position)
