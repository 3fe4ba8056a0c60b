"""Programs that Tracr compiled to weights: transformers without norms, in which every position sees every other one.

Lindner et al. 2023 (2301.05062). A direction of the residual stream stands for a value of one of the program's
variables, so it is known what each part computes. ``tests/known_answers/compile_tracr.py`` writes such checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mechint.checkpoint.checkpoint import Checkpoint
from mechint.codes import Code
from mechint.errors import CheckpointError
from mechint.subject.architecture import Architecture, into, out_of, stream_into
from mechint.subject.misfits import describe_misfits
from mechint.subject.readout import Unembedding
from mechint.subject.subject import Shape

__all__ = ["MODEL_TYPE", "TRACR", "UNEMBEDDING", "Tracr", "TracrConfig", "load_tracr", "shape_of"]

MODEL_TYPE = "tracr"
"""``model_type`` in config.json."""

UNEMBEDDING = Unembedding(path="unembed", last=True)

TRACR = Architecture(
    name="tracr",
    model_types=(MODEL_TYPE,),
    block="blocks.{layer}",
    bidirectional=True,
    sites={
        "embed": out_of("embed"),
        "resid_pre": into("{block}"),
        "resid_mid": stream_into("{block}.mlp"),
        "resid_post": out_of("{block}"),
        "q": out_of("{block}.attn.q"),
        "k": out_of("{block}.attn.k"),
        "v": out_of("{block}.attn.v"),
        "z": into("{block}.attn.o"),
        "attn_out": out_of("{block}.attn"),
        "mlp_post": into("{block}.mlp.down"),
        "mlp_out": out_of("{block}.mlp"),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TracrConfig:
    """The sizes of a compiled program."""

    n_layer: int
    n_head: int
    d_head: int
    d_model: int
    """Directions of the residual stream, all variables' together; no multiple of ``d_head``."""
    d_mlp: int
    n_vocab: int
    """Tokens of the input, BOS and padding among them."""
    n_out: int
    """Values of the output, each with a logit of its own; 1 where the output is a number, which is the logit."""
    context: int
    """Longest input, in tokens, with BOS."""


def shape_of(config: TracrConfig) -> Shape:
    """The sizes that analyses need."""
    return Shape(
        n_layer=config.n_layer,
        n_head=config.n_head,
        n_kv_head=config.n_head,
        d_head=config.d_head,
        d_model=config.d_model,
        d_embed=config.d_model,
        d_mlp=config.d_mlp,
        n_vocab=config.n_vocab,
        context=config.context,
    )


class Tracr(nn.Module):
    """A compiled program; logits are over the values of its output, which are no tokens."""

    def __init__(self, config: TracrConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.n_vocab, config.d_model)
        self.positions = nn.Embedding(config.context, config.d_model)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.unembed = nn.Linear(config.d_model, config.n_out, bias=False)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits ``[b p v]`` for tokens ``[b p]``; ``mask`` ``[b p]`` is false at padding, which nothing attends to."""
        if mask is None:
            place = torch.arange(tokens.shape[1], device=tokens.device)  # [p]
            seen = None
        else:
            place = (mask.long().cumsum(1) - 1).clamp(min=0)  # [b p]
            seen = mask.bool()[:, None, None]  # [b 1 1 p]
        x = self.embed(tokens) + self.positions(place)  # [b p d]
        for block in self.blocks:
            x = block(x, seen)
        logits: Tensor = self.unembed(x)
        return logits


class Block(nn.Module):
    """Attention and MLP, each added to the residual stream."""

    def __init__(self, config: TracrConfig) -> None:
        super().__init__()
        self.attn = Attention(config)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        x = x + self.attn(x, seen)
        out: Tensor = x + self.mlp(x)
        return out


class Attention(nn.Module):
    """Multi-head attention to all positions, later ones too."""

    def __init__(self, config: TracrConfig) -> None:
        super().__init__()
        self.n_head = config.n_head
        heads = config.n_head * config.d_head
        self.q, self.k, self.v = (nn.Linear(config.d_model, heads) for _ in "qkv")
        self.o = nn.Linear(heads, config.d_model)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        q, k, v = (
            project(x).unflatten(-1, (self.n_head, -1)).transpose(1, 2) for project in (self.q, self.k, self.v)
        )  # [b h p k] each
        z = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        out: Tensor = self.o(z.transpose(1, 2).flatten(2))  # [b p h*k] to [b p d]
        return out


class MLP(nn.Module):
    """Two linear layers around a ReLU."""

    def __init__(self, config: TracrConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.d_model, config.d_mlp)
        self.down = nn.Linear(config.d_mlp, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(F.relu(self.up(x)))
        return out


def load_tracr(facts: Mapping[str, Any], checkpoint: Checkpoint) -> tuple[Tracr, Architecture, Shape]:
    """The model of a compiled program, float32, frozen and in eval mode, with its table and sizes.

    ``facts`` are the entries of its config.json. Raises CheckpointError where they lack a size, or where a weight is
    missing, unknown or of another shape.
    """
    config = _read_config(facts, checkpoint.path)
    with torch.device("meta"):
        model = Tracr(config)
    expected = {name: list(weight.shape) for name, weight in model.state_dict().items()}
    found = {name: list(weight.shape) for name, weight in checkpoint.weights.items()}
    missing = [f"{name} {shape}" for name, shape in expected.items() if name not in found]
    unknown = [name for name in found if name not in expected]
    wrong = [
        f"{name} {found[name]}, expected {shape}" for name, shape in expected.items() if found.get(name, shape) != shape
    ]
    if missing or unknown or wrong:
        kind = f"Tracr program with {config.n_layer} layers of width {config.d_model}"
        raise CheckpointError(describe_misfits(checkpoint, kind, missing, unknown, wrong), code=Code.MISFIT)
    weights = {name: checkpoint.weights[name].to(torch.float32) for name in expected}
    model.load_state_dict(weights, strict=True, assign=True)
    return model.requires_grad_(requires_grad=False).eval(), TRACR, shape_of(config)


def _read_config(facts: Mapping[str, Any], path: str) -> TracrConfig:
    sizes = {
        "n_layer": "num_hidden_layers",
        "n_head": "num_attention_heads",
        "d_head": "head_dim",
        "d_model": "hidden_size",
        "d_mlp": "intermediate_size",
        "n_vocab": "vocab_size",
        "context": "max_position_embeddings",
    }
    wrong = [key for key in sizes.values() if type(facts.get(key)) is not int or facts[key] < 1]
    if wrong:
        raise CheckpointError(f"{path}: its config states no whole number from 1 on for {', '.join(wrong)}")
    values = facts.get("output_values")
    if values is not None and (not isinstance(values, list) or not values):
        raise CheckpointError(
            f"{path}: output_values in its config is {ascii(values)[:60]}; expected the list of what the output's "
            "logits stand for, or null for a number"
        )
    n_out = 1 if values is None else len(values)
    return TracrConfig(n_out=n_out, **{name: facts[key] for name, key in sizes.items()})
