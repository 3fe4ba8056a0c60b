"""The largest sizes of a model that are believed: far above what there is, far below what fills a machine.

A config may state any size in a few bytes, and a library that builds the model would allocate what it states.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CONFIG_SIZES", "GGUF_SIZES", "MOST_WEIGHTS", "find_wrong_size"]

MOST_WEIGHTS = 100_000
"""Tensors of a checkpoint."""

_LAYERS = 1000
_HEADS = 4096
_HEAD_WIDTH = 1 << 12
_WIDTH = 1 << 16
_NEURONS = 1 << 20
_TOKENS = 1 << 22
_POSITIONS = 1 << 24
_TABLED_POSITIONS = 1 << 16
"""Positions that have a row of numbers each, which GPT-J computes when it is built."""
_ROTARY_WIDTH = 1 << 10
_EXPERTS = 1 << 12

CONFIG_SIZES: Mapping[str, int] = {
    **dict.fromkeys(("num_hidden_layers", "num_layers", "n_layer", "n_layers", "max_window_layers"), _LAYERS),
    **dict.fromkeys(("num_attention_heads", "num_key_value_heads", "num_heads", "n_head", "n_heads"), _HEADS),
    "head_dim": _HEAD_WIDTH,
    "rotary_dim": _ROTARY_WIDTH,
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "word_embed_proj_dim"), _WIDTH),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "n_inner"), _NEURONS),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), _NEURONS),
    **dict.fromkeys(("vocab_size", "type_vocab_size"), _TOKENS),
    **dict.fromkeys(("max_position_embeddings", "original_max_position_embeddings"), _POSITIONS),
    **dict.fromkeys(("n_positions", "n_ctx"), _TABLED_POSITIONS),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "n_shared_experts"), _EXPERTS),
    "num_experts_per_tok": _EXPERTS,
}
"""By the names that the configs of transformers use."""

GGUF_SIZES: Mapping[str, int] = {
    "block_count": _LAYERS,
    "attention.head_count": _HEADS,
    "attention.head_count_kv": _HEADS,
    "attention.key_length": _HEAD_WIDTH,
    "attention.value_length": _HEAD_WIDTH,
    "rope.dimension_count": _HEAD_WIDTH,
    "embedding_length": _WIDTH,
    "feed_forward_length": _NEURONS,
    "expert_feed_forward_length": _NEURONS,
    "vocab_size": _TOKENS,
    "context_length": _POSITIONS,
    "expert_count": _EXPERTS,
    "expert_used_count": _EXPERTS,
}
"""By the names that GGUF uses, after the name of the architecture."""


_POSITIVE = frozenset(
    {
        *("num_hidden_layers", "n_layer", "num_attention_heads", "n_head", "hidden_size", "n_embd", "vocab_size"),
        *("max_position_embeddings", "n_positions", "block_count", "embedding_length", "context_length"),
    }
)
"""Sizes that are zero in no model; experts, or the heads of a layer without attention, may be."""


def find_wrong_size(name: str, value: object, largest: int) -> str | None:
    """What is wrong with a stated size; None where nothing is."""
    if type(value) is not int:
        return f"{ascii(value)[:40]}, which is no whole number"
    smallest = 1 if name in _POSITIVE else 0
    if not smallest <= value <= largest:
        return f"{ascii(value)[:40]}; the sizes that are read lie between {smallest} and {largest:,}"
    return None
