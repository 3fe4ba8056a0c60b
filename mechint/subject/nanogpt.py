"""The nanoGPT family: GPT-2 with plain linear layers, and the variants of its attention that the older tool trains.

Parameter names and layouts are those of nanoGPT checkpoints (weights ``[out, in]``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mechint.spec.checkpoints import Activation
from mechint.subject.attention import Attention, FoldedAttention
from mechint.subject.readout import Unembedding
from mechint.subject.subject import Shape

__all__ = ["GPT", "UNEMBEDDING", "FoldedGates", "GPTConfig", "shape_of"]

UNEMBEDDING = Unembedding(path="lm_head", last=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedGates:
    """How reciprocity is folded into every head, in the older of the two reciprocal forms."""

    rank: int = 4
    """Channels at the end of each head that are folded."""
    shape: tuple[int, ...] = ()
    """Of a layer's gates: one number, or one for each head."""
    restart: bool = False
    """A learned part of each head's output is its own value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GPTConfig:
    """The shape of a model of this family."""

    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    """Longest input, in tokens."""
    vocab_size: int
    bias: bool = True
    """Biases in linear layers and norms."""
    activation: Activation = "gelu"
    kv_tied: bool = False
    """Keys are the values: one projection gives both, as in the older tool's variant V1."""
    gated: bool = False
    """A sigmoid gate on the heads' outputs."""
    reciprocal_heads: tuple[int, ...] = ()
    """For each layer, how many of its last heads attend reciprocally too; empty where none does."""
    folded: FoldedGates | None = None


def shape_of(config: GPTConfig) -> Shape:
    """The sizes that analyses need; every head has its own key and value head."""
    return Shape(
        n_layer=config.n_layer,
        n_head=config.n_head,
        n_kv_head=config.n_head,
        d_head=config.n_embd // config.n_head,
        d_model=config.n_embd,
        d_embed=config.n_embd,
        d_mlp=4 * config.n_embd,
        n_vocab=config.vocab_size,
        context=config.block_size,
    )


class GPT(nn.Module):
    """A decoder with learned positions, pre-norm blocks and an unembedding tied to the embedding."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(config.vocab_size, config.n_embd),
                "wpe": nn.Embedding(config.block_size, config.n_embd),
                "h": nn.ModuleList(Block(config, layer) for layer in range(config.n_layer)),
                "ln_f": nn.LayerNorm(config.n_embd, bias=config.bias),
            }
        )
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.lm_head.weight = self.get_parameter("transformer.wte.weight")

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits ``[b p v]`` for tokens ``[b p]``; ``mask`` ``[b p]`` is false at padding, which nothing attends to."""
        positions = self.get_parameter("transformer.wpe.weight")  # [p d]
        if mask is None:
            x = self.transformer["wte"](tokens) + positions[: tokens.shape[1]]  # [b p d]
            seen = None
        else:
            x = self.transformer["wte"](tokens) + positions[(mask.long().cumsum(1) - 1).clamp(min=0)]
            seen = _seen(mask)
        for block in self.transformer["h"].children():
            x = block(x, seen)
        logits: Tensor = self.lm_head(self.transformer["ln_f"](x))  # [b p v]
        return logits


class Block(nn.Module):
    """Attention and MLP, each added to the residual stream."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.attn = _attention(config, layer)
        self.ln_2 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.mlp = MLP(config.n_embd, bias=config.bias, activation=config.activation)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        x = x + self.attn(self.ln_1(x), seen)
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class MLP(nn.Module):
    """Two linear layers around a GELU, by the error function or by its approximation with tanh."""

    def __init__(self, width: int, *, bias: bool, activation: Activation) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width, bias=bias)
        self.gelu = nn.GELU(approximate="tanh" if activation == "gelu_tanh" else "none")
        self.c_proj = nn.Linear(4 * width, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c_proj(self.gelu(self.c_fc(x)))
        return out


def _attention(config: GPTConfig, layer: int) -> nn.Module:
    if (folded := config.folded) is not None:
        return FoldedAttention(
            config.n_embd, config.n_head, rank=folded.rank, gates=folded.shape, restart=folded.restart
        )
    return Attention(
        config.n_embd,
        config.n_head,
        bias=config.bias,
        kv_tied=config.kv_tied,
        gated=config.gated,
        reciprocal_heads=config.reciprocal_heads[layer] if config.reciprocal_heads else 0,
    )


def _seen(mask: Tensor) -> Tensor:
    """What every position attends to, ``[b 1 p p]``: tokens up to its own, and itself, so that no row is empty."""
    length = mask.shape[1]
    causal = mask.new_ones(length, length, dtype=torch.bool).tril()
    own = torch.eye(length, dtype=torch.bool, device=mask.device)
    return (causal & mask.bool().unsqueeze(1) | own).unsqueeze(1)
