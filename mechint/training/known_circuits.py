"""The circuits of the toy models, read off what their parts look at and compute, not off what ablating them does.

They are what a method's answer is compared with: ``known_circuit_stepNAME.json`` beside the checkpoint, with the
numbers that decided. An ablation would be no second opinion on a method that ablates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.files import write_text
from mechint.subject.intervene import capture
from mechint.subject.load import load_subject
from mechint.subject.subject import Subject
from mechint.training.checkpoints import final_path
from mechint.training.hand_induction import HandInduction
from mechint.training.toy_data import all_sums, repeated_tokens
from mechint.training.variants import Variant

__all__ = ["KnownCircuit", "find_induction_heads", "find_periodic_neurons", "known_path", "write_known_circuit"]

_LEAST_ATTENTION = 0.5
_LEAST_WRITE = 0.2
_LEAST_PERIODIC = 0.5
_SEQUENCES = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCircuit:
    """The units that a model's task is known to need, and how that is known."""

    units: Mapping[str, Sequence[int]]
    """By site: heads of ``z``, neurons of ``mlp_post``."""
    procedure: str
    scores: Mapping[str, Sequence[Sequence[float]]]
    """What the procedure looks at, by layer and unit."""


def known_path(output_dir: Path, step: str) -> Path:
    """Where the known circuit of a variant goes."""
    return output_dir / f"known_circuit_step{step}.json"


def write_known_circuit(variant: Variant, output_dir: Path) -> None:
    """Write the circuit of a toy beside its final checkpoint; of other variants none is known."""
    checkpoint = str(final_path(output_dir, variant.name))
    if variant.by_hand is not None:
        known = _circuit_by_hand(variant.by_hand)
    elif variant.data == "repeated_tokens":
        tokens = repeated_tokens(variant.shape).held_out.tokens[:_SEQUENCES]
        known = find_induction_heads(load_subject(checkpoint), tokens)
    elif variant.data == "modular_sums":
        known = find_periodic_neurons(load_subject(checkpoint))
    else:
        return
    write_text(known_path(output_dir, variant.name), json.dumps(asdict(known), indent=1) + "\n")


def _circuit_by_hand(plan: HandInduction) -> KnownCircuit:
    units: dict[str, list[int]] = {}
    for layer, head in sorted((*plan.previous, *plan.induction)):
        units.setdefault(f"z.{layer}", []).append(head)
    return KnownCircuit(units=units, procedure="the heads whose weights were set; no other is read", scores={})


def find_induction_heads(subject: Subject, tokens: Tensor) -> KnownCircuit:
    """The previous-token heads below the last layer and the induction heads above the first.

    By their attention on sequences ``[b p]`` that repeat, and by the length of what they write: a head that looks where
    it should and writes next to nothing is none.
    """
    seen = _Repeats.of(tokens)
    layers = range(subject.shape.n_layer)
    heads = [_look_at(subject, tokens, layer, seen) for layer in layers]
    scores = {name: [head[name].tolist() for head in heads] for name in ("previous_token", "induction", "write")}
    units: dict[str, list[int]] = {}
    for layer in layers:
        writes = heads[layer]["write"] >= _LEAST_WRITE * heads[layer]["write"].max()
        previous = (heads[layer]["previous_token"] >= _LEAST_ATTENTION) & (layer < layers[-1])
        induction = (heads[layer]["induction"] >= _LEAST_ATTENTION) & (layer > 0)
        units[f"z.{layer}"] = (writes & (previous | induction)).nonzero().flatten().tolist()
    procedure = (
        f"heads that give {_LEAST_ATTENTION} of their attention at least to the token before, where that stands for "
        "the first time and comes again (in all layers but the last), or to tokens after earlier copies of their own "
        f"(in all but the first), and whose outputs have {_LEAST_WRITE} at least of the longest in their layer, on "
        "average"
    )
    return KnownCircuit(units=units, procedure=procedure, scores=scores)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Repeats:
    """Where sequences repeat."""

    new: Tensor
    """``[b p]``, true after a token that stands for the first time and comes again."""
    follows: Tensor
    """``[b p p]``, true at a query and the keys that come right after earlier copies of its token."""

    @classmethod
    def of(cls, tokens: Tensor) -> _Repeats:
        same = tokens.unsqueeze(2) == tokens.unsqueeze(1)  # [b p p]
        first, again = ~same.tril(-1).any(2), same.triu(1).any(2)  # [b p] each
        return cls(
            new=(first & again).roll(1, dims=1).index_fill(1, torch.tensor([0]), value=False),
            follows=same.tril(-1).roll(1, dims=2),  # no query is the last key's, so nothing comes round
        )


def _look_at(subject: Subject, tokens: Tensor, layer: int, seen: _Repeats) -> Mapping[str, Tensor]:
    """What each head of a layer attends to and writes, ``[h]`` each."""
    q, k, z = (Site(layer, kind) for kind in "qkz")
    heads = {
        site: activation.unflatten(-1, (subject.shape.n_head, -1))  # [b p h k]
        for site, activation in capture(subject, [q, k, z], tokens).items()
    }
    scores = torch.einsum("bqhk,bphk->bhqp", heads[q], heads[k]) / subject.shape.d_head**0.5
    causal = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    attention = scores.masked_fill(~causal, -torch.inf).softmax(-1)  # [b h p p]
    before = attention.diagonal(-1, dim1=2, dim2=3)  # [b h p-1], of position p to p - 1
    after = (attention * seen.follows.unsqueeze(1)).sum(3)  # [b h p]
    weight = subject.block(layer).get_parameter("attn.c_proj.weight").unflatten(1, (subject.shape.n_head, -1))
    return {
        "previous_token": _mean_where(before, seen.new[:, 1:]),
        "induction": _mean_where(after, seen.follows.any(2)),
        "write": torch.einsum("bphk,dhk->bphd", heads[z], weight).norm(dim=-1).mean((0, 1)),
    }


def _mean_where(values: Tensor, where: Tensor) -> Tensor:
    """Mean ``[h]`` of values ``[b h p]`` where ``[b p]`` is true."""
    return (values * where.unsqueeze(1)).sum((0, 2)) / where.sum()


def find_periodic_neurons(subject: Subject) -> KnownCircuit:
    """The neurons of a one-layer model of modular sums whose activation has one frequency (Nanda et al. 2023).

    That frequency makes up most of its variance over all sums, at the position before the answer: by terms that have it
    in a, in b or in both. A neuron that writes next to nothing is none.
    """
    p = subject.shape.n_vocab - 1
    site = Site(0, "mlp_post")
    neurons = capture(subject, [site], all_sums(p).tokens)[site][:, -1].double().unflatten(0, (p, p))  # [a b f]
    power = torch.fft.fft2(neurons, dim=(0, 1)).abs().square()  # [p p f]
    power[0, 0] = 0
    by_frequency = torch.stack([_power_at(power, frequency) for frequency in range(1, p // 2 + 1)])  # [p/2 f]
    share = by_frequency.max(0).values / power.sum((0, 1)).clamp(min=torch.finfo(power.dtype).tiny)
    write = neurons.flatten(0, 1).std(0) * subject.block(0).get_parameter("mlp.c_proj.weight").norm(dim=0)
    found = (share >= _LEAST_PERIODIC) & (write >= _LEAST_WRITE * write.max())
    procedure = (
        f"neurons that owe {_LEAST_PERIODIC} of their variance over all sums at least to a single frequency, and that "
        f"write {_LEAST_WRITE} at least of what any neuron writes"
    )
    scores = {
        "periodic": [share.tolist()],
        "write": [write.tolist()],
        "frequency": [(by_frequency.argmax(0) + 1).tolist()],
    }
    return KnownCircuit(units={str(site): found.nonzero().flatten().tolist()}, procedure=procedure, scores=scores)


def _power_at(power: Tensor, frequency: int) -> Tensor:
    """The part ``[f]`` of a spectrum ``[p p f]`` that has no other frequency in a nor in b."""
    own = [0, frequency, -frequency]
    return power[own][:, own].sum((0, 1))
