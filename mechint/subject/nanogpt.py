"""The nanoGPT family: GPT-2 with plain linear layers, and its variant with tied keys and values.

Parameter names and layouts are those of nanoGPT checkpoints (weights ``[out, in]``). The modules ``q``, ``k``,
``v`` and ``z`` hold no parameters: they name the activations that interventions hook.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mechint.subject.subject import Shape

__all__ = ["GPT", "GPTConfig", "shape_of"]


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
    kv_tied: bool = False
    """Keys are the values: one projection gives both, as in the older tool's variant V1."""


def shape_of(config: GPTConfig) -> Shape:
    """The sizes that analyses need; every head has its own key and value head."""
    return Shape(
        n_layer=config.n_layer,
        n_head=config.n_head,
        n_kv_head=config.n_head,
        d_head=config.n_embd // config.n_head,
        d_model=config.n_embd,
        d_mlp=4 * config.n_embd,
        n_vocab=config.vocab_size,
        context=config.block_size,
    )


class GPT(nn.Module):
    """A decoder with learned positions, pre-norm blocks, erf GELU and an unembedding tied to the embedding."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(config.vocab_size, config.n_embd),
                "wpe": nn.Embedding(config.block_size, config.n_embd),
                "h": nn.ModuleList(Block(config) for _ in range(config.n_layer)),
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

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.attn = Attention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        x = x + self.attn(self.ln_1(x), seen)
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class Attention(nn.Module):
    """Causal multi-head attention; with ``kv_tied`` the projection gives q and v, and k is v."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.kv_tied = config.kv_tied
        self.c_attn = nn.Linear(config.n_embd, (2 if config.kv_tied else 3) * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.q, self.k, self.v, self.z = nn.Identity(), nn.Identity(), nn.Identity(), nn.Identity()

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        b, p, d = x.shape
        q, k, v = self._project(x)  # [b p d] each
        q, k, v = self.q(q), self.k(k), self.v(v)
        heads = (b, p, self.n_head, d // self.n_head)
        z = F.scaled_dot_product_attention(
            q.view(heads).transpose(1, 2),
            k.view(heads).transpose(1, 2),
            v.view(heads).transpose(1, 2),
            attn_mask=seen,
            is_causal=seen is None,
        )  # [b h p k]
        out: Tensor = self.c_proj(self.z(z.transpose(1, 2).reshape(b, p, d)))  # [b p d]
        return out

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        parts = self.c_attn(x).chunk(2 if self.kv_tied else 3, dim=-1)
        return (parts[0], parts[1], parts[1]) if self.kv_tied else (parts[0], parts[1], parts[2])


class MLP(nn.Module):
    """Two linear layers around an erf GELU."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.gelu = nn.GELU()
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c_proj(self.gelu(self.c_fc(x)))
        return out


def _seen(mask: Tensor) -> Tensor:
    """What every position attends to, ``[b 1 p p]``: tokens up to its own, and itself, so that no row is empty."""
    length = mask.shape[1]
    causal = mask.new_ones(length, length, dtype=torch.bool).tril()
    own = torch.eye(length, dtype=torch.bool, device=mask.device)
    return (causal & mask.bool().unsqueeze(1) | own).unsqueeze(1)
