"""Small models of every variant of the nanoGPT family, and a plain computation of each from its weights alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from mechint.subject.nanogpt import GPT, FoldedGates, GPTConfig

HEADS, WIDTH, CONTEXT, VOCAB = 2, 16, 12, 13
VANILLA = GPTConfig(n_layer=3, n_head=HEADS, n_embd=WIDTH, block_size=CONTEXT, vocab_size=VOCAB)
FOLDED = replace(VANILLA, folded=FoldedGates())
VARIANTS: Mapping[str, GPTConfig] = {
    "vanilla": VANILLA,
    "tanh": replace(VANILLA, activation="gelu_tanh"),
    "without biases": replace(VANILLA, bias=False),
    "kv-tied": replace(VANILLA, kv_tied=True),
    "gated": replace(VANILLA, gated=True),
    "gated without biases": replace(VANILLA, gated=True, bias=False),
    "ra": replace(VANILLA, reciprocal_heads=(0, 1, 0)),
    "ra without biases": replace(VANILLA, reciprocal_heads=(0, 1, 1), bias=False),
    "ra on all heads": replace(VANILLA, reciprocal_heads=(0, 2, 1)),
    "ra-gated": replace(VANILLA, reciprocal_heads=(0, 1, 0), gated=True),
    "folded": FOLDED,
    "folded per head": replace(VANILLA, folded=FoldedGates(shape=(HEADS,))),
    "folded with restart": replace(VANILLA, folded=FoldedGates(shape=(HEADS,), restart=True)),
    "folded without biases": replace(FOLDED, bias=False),
}
ARCHITECTURES = {
    **{name: "gpt2-nanogpt-" + name for name in ("kv-tied", "gated", "ra", "ra-gated")},
    **dict.fromkeys(("vanilla", "tanh", "without biases"), "gpt2-nanogpt"),
    "gated without biases": "gpt2-nanogpt-gated",
    **dict.fromkeys(("ra without biases", "ra on all heads"), "gpt2-nanogpt-ra"),
    **{name: "gpt2-nanogpt-ra-folded" for name in VARIANTS if name.startswith("folded")},
}


def variant_model(name: str, seed: int = 0) -> GPT:
    """A model with weights so large that every part of it matters; gates lie between .1 and .9."""
    model = GPT(VARIANTS[name]).eval().requires_grad_(requires_grad=False)
    generator = torch.Generator().manual_seed(seed)
    for parameter_name, parameter in model.named_parameters():
        drawn = torch.randn(parameter.shape, generator=generator)
        if parameter_name.endswith((".w_std", ".w_rec")):
            parameter.copy_(torch.sigmoid(drawn) * 0.8 + 0.1)
        elif parameter_name.endswith(".rwr_alpha"):
            parameter.copy_(torch.sigmoid(drawn))
        else:
            norm = parameter.ndim == 1 and parameter_name.endswith("weight")
            parameter.copy_(drawn / 2 + norm)
    return model


def variant_tokens(count: int = 2, length: int = 7) -> Tensor:
    return torch.randint(VOCAB, (count, length), generator=torch.Generator().manual_seed(5))


Weight = Callable[[str], Tensor | None]
"""The weight of a name, without what its layer adds to the name; None where there is none."""


def plain_logits(state: Mapping[str, Tensor], tokens: Tensor, *, activation: str = "gelu", rank: int = 4) -> Tensor:
    """Logits ``[b p v]`` in float64, each step written out; the variant is read off the names of the weights."""

    def weight(name: str) -> Tensor | None:
        return state[name].double() if name in state else None

    x = state["transformer.wte.weight"].double()[tokens] + state["transformer.wpe.weight"].double()[: tokens.shape[1]]
    layers = {name.split(".")[2] for name in state if name.startswith("transformer.h.")}
    for layer in sorted(layers, key=int):

        def inside(name: str, layer: str = layer) -> Tensor | None:
            return weight(f"transformer.h.{layer}.{name}")

        x = x + _attention(_norm(x, inside, "ln_1"), inside, rank)
        hidden = _linear(_norm(x, inside, "ln_2"), inside, "mlp.c_fc")
        x = x + _linear(_gelu(hidden, activation), inside, "mlp.c_proj")
    return torch.einsum("bpd,vd->bpv", _norm(x, weight, "transformer.ln_f"), state["lm_head.weight"].double())


def _attention(x: Tensor, weight: Weight, rank: int) -> Tensor:
    parts = _linear(x, weight, "attn.c_attn").unflatten(-1, (-1, HEADS, WIDTH // HEADS)).unbind(2)  # [b p h k] each
    q, k, v = parts if len(parts) == 3 else (parts[0], parts[1], parts[1])
    std, rec, alpha = weight("attn.w_std"), weight("attn.w_rec"), weight("attn.rwr_alpha")
    if std is not None and rec is not None:
        usual = WIDTH // HEADS - rank
        q, k = (
            torch.cat(
                [part[..., :usual] * std.sqrt().reshape(-1, 1), part[..., usual:] * rec.sqrt().reshape(-1, 1)], -1
            )
            for part in (q, k)
        )
    y = _softmax_attention(q, k, v)
    if alpha is not None:
        alpha = torch.minimum(alpha, torch.tensor(0.5)).reshape(-1, 1)
        y = (1 - alpha) * y + alpha * v
    y = y.flatten(2)
    if weight("attn.sdpa_gate.weight") is not None:
        y = y / (1 + torch.exp(-_linear(x, weight, "attn.sdpa_gate")))
    if (logit := weight("attn.ra_logit")) is not None:
        first = HEADS - _known(weight("attn.ra_head_proj.weight")).shape[1] // (WIDTH // HEADS)
        swapped = _softmax_attention(k[:, :, first:], q[:, :, first:], v[:, :, first:]).flatten(2)
        y = y + torch.tanh(logit) * _norm(_linear(swapped, weight, "attn.ra_head_proj"), weight, "attn.ra_ln")
    return _linear(y, weight, "attn.c_proj")


def _softmax_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = torch.einsum("bqhk,bphk->bhqp", q, k) / math.sqrt(q.shape[-1])
    length = q.shape[1]
    later = torch.arange(length) > torch.arange(length)[:, None]
    weights = torch.exp(scores.masked_fill(later, -torch.inf))
    return torch.einsum("bhqp,bphk->bqhk", weights / weights.sum(-1, keepdim=True), v)


def _norm(x: Tensor, weight: Weight, name: str) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * _known(weight(f"{name}.weight"))
    bias = weight(f"{name}.bias")
    return scaled if bias is None else scaled + bias


def _linear(x: Tensor, weight: Weight, name: str) -> Tensor:
    product = torch.einsum("bpi,oi->bpo", x, _known(weight(f"{name}.weight")))
    bias = weight(f"{name}.bias")
    return product if bias is None else product + bias


def _gelu(x: Tensor, activation: str) -> Tensor:
    if activation == "gelu_tanh":
        return x / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x / 2 * (1 + torch.erf(x / math.sqrt(2)))


def _known(weight: Tensor | None) -> Tensor:
    assert weight is not None
    return weight
