"""An induction model whose weights are set by hand, so that what every head does is known exactly.

A previous-token head tells every position which token stands before it. An induction head asks for the positions after
earlier copies of its own token, and copies the tokens that it finds there (Elhage et al. 2021, "A Mathematical
Framework for Transformer Circuits"). The residual stream has two coordinates of ballast and four fields of codes:

========  ===========  ==================================================================
field     coordinates  holds
========  ===========  ==================================================================
ballast   2            B and -B, at every position
token     V            the code of the token
position  P            the code of the position
previous  V            the code of the token before, which previous-token heads write
next      V            the code of the token to come, which induction heads write
========  ===========  ==================================================================

The code of i out of n is a one-hot vector less 1/n. It sums to 0, and the codes of i and j have the product
[i = j] - 1/n. So every residual stream sums to 0, and nearly all its length is the ballast. A norm therefore divides by
the same number wherever it stands and whatever is ablated, up to 1/B², and its weights multiply by that number: a norm
does nothing, but that it leaves 1 and -1 of the ballast.

A previous-token head reads q from the position, shifted by one, k from the position and v from the token. An induction
head reads q from the token, k from the previous token and v from the token; one more channel turns it away from
position 0, which has no token before it. All other heads have random q, k and v, and nothing reads what they give. MLPs
are zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mechint.subject.nanogpt import GPT, GPTConfig

__all__ = ["HandInduction", "build_hand_induction"]

_BALLAST = 1024.0
_LOGIT = 10.0
"""How far the logit of the token to come stands above all others."""
_EPSILON = 1e-5
"""What LayerNorm adds to the variance."""

_Head = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandInduction:
    """The sizes of the model, and which heads do what; a head is its layer and its number there."""

    n_layer: int = 2
    n_head: int = 4
    n_vocab: int = 40
    context: int = 40
    previous: tuple[_Head, ...] = ((0, 1),)
    """Heads that each write the previous token's code; with several, each suffices."""
    induction: tuple[_Head, ...] = ((1, 2),)
    sharpness: float = 12.0
    """How far a head's score of what it looks for stands above all others, while one previous-token head is there."""
    seed: int = 0
    """Of the heads that nothing reads."""

    def __post_init__(self) -> None:
        heads = (*self.previous, *self.induction)
        assert len(set(heads)) == len(heads), "a head does one thing"
        assert all(0 <= layer < self.n_layer and 0 <= head < self.n_head for layer, head in heads), "a head is missing"
        assert max(self.previous)[0] < min(self.induction)[0], (
            "an induction head reads what is written before its layer"
        )

    @property
    def config(self) -> GPTConfig:
        """The shape of the model: just wide enough for the fields, and for heads that hold a code each."""
        width = 2 + 3 * self.n_vocab + self.context
        d_head = max(self.n_vocab + 1, self.context, math.ceil(width / self.n_head))
        return GPTConfig(
            n_layer=self.n_layer,
            n_head=self.n_head,
            n_embd=self.n_head * d_head,
            block_size=self.context,
            vocab_size=self.n_vocab,
            bias=False,
        )


def build_hand_induction(plan: HandInduction) -> GPT:
    """The model. In a sequence of distinct tokens that comes a second time it predicts every next one."""
    # The modules' own initialisation draws from the global generator; leave that as it was.
    with torch.random.fork_rng(devices=[]):
        model = GPT(plan.config)
    model.lm_head.weight = torch.nn.Parameter(torch.zeros_like(model.lm_head.weight))
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        fields = _Fields.of(plan)
        _set_embeddings(model, fields)
        _set_norms(model)
        generator = torch.Generator().manual_seed(plan.seed)
        for layer in range(plan.n_layer):
            for head in range(plan.n_head):
                _set_head(model, fields, plan, (layer, head), generator)
    return model.requires_grad_(requires_grad=False).eval()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fields:
    """Where the codes lie among the coordinates of the residual stream."""

    token: slice
    position: slice
    previous: slice
    next: slice

    @classmethod
    def of(cls, plan: HandInduction) -> _Fields:
        token = slice(2, 2 + plan.n_vocab)
        position = slice(token.stop, token.stop + plan.context)
        previous = slice(position.stop, position.stop + plan.n_vocab)
        return cls(
            token=token, position=position, previous=previous, next=slice(previous.stop, previous.stop + plan.n_vocab)
        )


def _set_embeddings(model: GPT, fields: _Fields) -> None:
    tokens, positions = (model.get_parameter(f"transformer.{name}.weight") for name in ("wte", "wpe"))
    tokens[:, fields.token] = _codes(len(tokens))
    positions[:, fields.position] = _codes(len(positions))
    positions[:, 0], positions[:, 1] = _BALLAST, -_BALLAST
    model.lm_head.weight[:, fields.next] = _LOGIT * torch.eye(len(tokens))


def _codes(count: int) -> Tensor:
    """The code of each of ``count`` things, ``[count count]``."""
    return torch.eye(count) - 1 / count


def _set_norms(model: GPT) -> None:
    for name, weight in model.named_parameters():
        if ".ln_" in name:
            weight.fill_(math.sqrt(2 * _BALLAST**2 / len(weight) + _EPSILON))
            weight[:2] /= _BALLAST


def _set_head(model: GPT, fields: _Fields, plan: HandInduction, head: _Head, generator: torch.Generator) -> None:
    attention = model.get_submodule(f"transformer.h.{head[0]}.attn")
    d_head = plan.config.n_embd // plan.n_head
    rows = slice(head[1] * d_head, (head[1] + 1) * d_head)
    q, k, v = (part[rows] for part in attention.get_parameter("c_attn.weight").chunk(3))  # [k d] each
    out = attention.get_parameter("c_proj.weight")[:, rows]  # [d k]
    tokens, gain = torch.eye(plan.n_vocab), plan.sharpness * math.sqrt(d_head)
    if head in plan.previous:
        positions = torch.eye(plan.context)
        q[: plan.context, fields.position] = gain * positions.roll(1, dims=1)  # channel j asks at position j + 1
        k[: plan.context, fields.position] = positions
        v[: plan.n_vocab, fields.token] = tokens
        out[fields.previous, : plan.n_vocab] = tokens
    elif head in plan.induction:
        q[: plan.n_vocab, fields.token] = gain * tokens
        q[plan.n_vocab, 0] = gain  # a constant, of the ballast
        k[: plan.n_vocab, fields.previous] = tokens
        # Position 0 attends to itself, and so holds its own token's code: twice the score of that is taken off.
        k[plan.n_vocab, fields.position.start] = -2 * len(plan.previous)
        v[: plan.n_vocab, fields.token] = tokens
        out[fields.next, : plan.n_vocab] = tokens / len(plan.induction)
    else:
        for weight in (q, k, v):
            weight.normal_(std=1 / math.sqrt(plan.config.n_embd), generator=generator)
