"""The attention of the nanoGPT family: vanilla, with tied keys, gated, and with the older tool's two reciprocal forms.

Reciprocal attention asks with the keys and answers with the queries. The first form runs it beside the usual one and
adds what comes of it; the second folds it into the last channels of every head.

The modules ``q``, ``k``, ``v`` and ``z`` hold no parameters: they name the activations that interventions hook. ``q``,
``k`` and ``v`` are what the projection gives, ``z`` is what ``c_proj`` reads.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Attention", "FoldedAttention"]

_LEAST_GATE = 1e-8
"""Gates of folded attention are at least this, so that they have a root."""
_LARGEST_RESTART = 0.5
"""The most that folded attention replaces of a head's output by its value."""


class Attention(nn.Module):
    """Causal multi-head attention.

    With ``kv_tied`` the projection gives q and v, and k is v. With ``gated`` a sigmoid of the input scales the heads'
    outputs. With ``reciprocal_heads`` the last heads attend a second time, with keys for queries and queries for keys;
    that is projected to the model's width, normalised, and added in a learned proportion after the gate.
    """

    def __init__(
        self,
        width: int,
        n_head: int,
        *,
        bias: bool,
        kv_tied: bool = False,
        gated: bool = False,
        reciprocal_heads: int = 0,
    ) -> None:
        super().__init__()
        self.n_head = n_head
        self.kv_tied = kv_tied
        self.reciprocal_heads = reciprocal_heads
        self.c_attn = nn.Linear(width, (2 if kv_tied else 3) * width, bias=bias)
        self.c_proj = nn.Linear(width, width, bias=bias)
        self.q, self.k, self.v, self.z = nn.Identity(), nn.Identity(), nn.Identity(), nn.Identity()
        self.sdpa_gate = nn.Linear(width, width, bias=bias) if gated else None
        if reciprocal_heads:
            self.ra_logit = nn.Parameter(torch.zeros(1))
            self.ra_head_proj = nn.Linear(reciprocal_heads * (width // n_head), width, bias=bias)
            self.ra_ln = nn.LayerNorm(width, bias=bias)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        q, k, v = self._project(x)  # [b p d] each
        q, k, v = (_split(part, self.n_head) for part in (self.q(q), self.k(k), self.v(v)))  # [b h p k] each
        z = _merge(_attend(q, k, v, seen))  # [b p d]
        if self.sdpa_gate is not None:
            z = z * torch.sigmoid(self.sdpa_gate(x))
        if self.reciprocal_heads:
            z = z + self._reciprocal(q, k, v, seen)
        out: Tensor = self.c_proj(self.z(z))  # [b p d]
        return out

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        parts = self.c_attn(x).chunk(2 if self.kv_tied else 3, dim=-1)
        return (parts[0], parts[1], parts[1]) if self.kv_tied else (parts[0], parts[1], parts[2])

    def _reciprocal(self, q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None) -> Tensor:
        """What the last heads add when keys ask and queries answer, ``[b p d]``."""
        asking, answering, values = (part[:, -self.reciprocal_heads :] for part in (k, q, v))
        heads = _merge(_attend(asking, answering, values, seen))
        term: Tensor = torch.tanh(self.ra_logit) * self.ra_ln(self.ra_head_proj(heads))
        return term


class FoldedAttention(nn.Module):
    """Causal attention whose last ``rank`` channels of q hold a key's part and of k a query's.

    One gate scales those channels and another the rest, per layer or per head as the shape ``gates`` says. With
    ``restart`` a part of every head's output is replaced by its value at the same position. Its projections have no
    biases.
    """

    def __init__(self, width: int, n_head: int, *, rank: int, gates: tuple[int, ...], restart: bool) -> None:
        super().__init__()
        self.n_head = n_head
        self.rank = rank
        self.c_attn = nn.Linear(width, 3 * width, bias=False)
        self.c_proj = nn.Linear(width, width, bias=False)
        self.q, self.k, self.v, self.z = nn.Identity(), nn.Identity(), nn.Identity(), nn.Identity()
        share = rank * n_head / width
        self.w_std = nn.Parameter(torch.full(gates, 1 - share))
        self.w_rec = nn.Parameter(torch.full(gates, share))
        self.rwr_alpha = nn.Parameter(torch.full((n_head,), 0.05)) if restart else None

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        q, k, v = self.c_attn(x).chunk(3, dim=-1)  # [b p d] each
        q, k, v = (_split(part, self.n_head) for part in (self.q(q), self.k(k), self.v(v)))  # [b h p k] each
        scale = self._scale(q.shape[-1])
        z = _attend(q * scale, k * scale, v, seen)  # [b h p k]
        if self.rwr_alpha is not None:
            restart = self.rwr_alpha.clamp(0, _LARGEST_RESTART).view(-1, 1, 1)  # [h 1 1]
            z = (1 - restart) * z + restart * v
        out: Tensor = self.c_proj(self.z(_merge(z)))  # [b p d]
        return out

    def _scale(self, d_head: int) -> Tensor:
        """What each channel of q and of k is multiplied by, ``[h 1 k]``, or ``[1 1 k]`` with one gate a layer."""
        parts = ((self.w_std, d_head - self.rank), (self.w_rec, self.rank))
        roots = [gate.clamp(min=_LEAST_GATE).sqrt().view(-1, 1, 1).expand(-1, 1, width) for gate, width in parts]
        return torch.cat(roots, dim=-1)


def _split(x: Tensor, n_head: int) -> Tensor:
    """Heads apart: ``[b p d]`` to ``[b h p k]``."""
    heads: Tensor = x.unflatten(-1, (n_head, -1))  # [b p h k]
    return heads.transpose(1, 2)


def _merge(heads: Tensor) -> Tensor:
    """Heads after each other: ``[b h p k]`` to ``[b p d]``."""
    return heads.transpose(1, 2).flatten(2)


def _attend(q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None) -> Tensor:
    """Causal attention ``[b h p k]``; ``seen`` ``[b 1 p p]`` says what each position attends to where that is less."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen, is_causal=seen is None)
