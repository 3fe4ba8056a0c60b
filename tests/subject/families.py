"""A tiny model of every family of transformers that has a table, random and saved to disk."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from mechint.subject.load import load_subject

N_LAYER, N_HEAD, N_KV, D_MODEL, D_MLP, VOCAB = 2, 4, 2, 32, 48, 50
TABLES = tuple(importlib.import_module("mechint.plugins.architectures").mechint_architectures())
TOKENS = torch.randint(VOCAB, (2, 9), generator=torch.Generator().manual_seed(3))

_COMMON = {"vocab_size": VOCAB, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
_NEW = {
    "num_hidden_layers": N_LAYER,
    "num_attention_heads": N_HEAD,
    "hidden_size": D_MODEL,
    "intermediate_size": D_MLP,
    "max_position_embeddings": 32,
}
_GQA = {**_NEW, "num_key_value_heads": N_KV}
_OLD = {"n_layer": N_LAYER, "n_head": N_HEAD, "n_embd": D_MODEL, "n_inner": D_MLP, "n_positions": 32}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A config, and where its weights are that a computation by hand needs."""

    model_type: str
    config: dict[str, Any]
    table: str
    block: str = "model.layers.{layer}"
    norm: str | None = "input_layernorm"
    """What attention reads; None where it reads the residual stream."""
    qkv: str | tuple[str, str, str] = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    o: str = "self_attn.o_proj"
    after_attention: str | None = None
    """A norm between the projection of the heads and the residual stream."""
    down: str | None = "mlp.down_proj"
    after_mlp: str | None = None
    conv1d: bool = False
    """Weights lie ``[in, out]``."""
    interleaved: bool = False


_NEOX = {
    "block": "gpt_neox.layers.{layer}",
    "qkv": "attention.query_key_value",
    "o": "attention.dense",
    "down": "mlp.dense_4h_to_h",
    "interleaved": True,
}
_OPT = {
    "block": "model.decoder.layers.{layer}",
    "norm": "self_attn_layer_norm",
    "o": "self_attn.out_proj",
    "down": "fc2",
}
_OPT_CONFIG = {
    "num_hidden_layers": N_LAYER,
    "num_attention_heads": N_HEAD,
    "hidden_size": D_MODEL,
    "word_embed_proj_dim": D_MODEL,
    "ffn_dim": D_MLP,
    "max_position_embeddings": 32,
}
_NORMED = {"after_attention": "post_attention_layernorm", "after_mlp": "post_feedforward_layernorm"}

FAMILIES = {
    "gpt2": Family(
        model_type="gpt2",
        config=_OLD,
        table="gpt2",
        block="transformer.h.{layer}",
        norm="ln_1",
        qkv="attn.c_attn",
        o="attn.c_proj",
        down="mlp.c_proj",
        conv1d=True,
    ),
    "gpt_neox": Family(model_type="gpt_neox", config=_NEW, table="gpt_neox", **_NEOX),
    "gpt_neox-sequential": Family(
        model_type="gpt_neox", config={**_NEW, "use_parallel_residual": False}, table="gpt_neox-sequential", **_NEOX
    ),
    "llama": Family(model_type="llama", config={**_GQA, "attention_bias": True}, table="llama"),
    "mistral": Family(model_type="mistral", config={**_GQA, "sliding_window": 4}, table="llama"),
    "qwen2": Family(model_type="qwen2", config=_GQA, table="llama"),
    "qwen3": Family(model_type="qwen3", config={**_GQA, "head_dim": 16}, table="llama"),
    "gemma2": Family(
        model_type="gemma2", config={**_GQA, "head_dim": 16, "sliding_window": 4}, table="gemma", **_NORMED
    ),
    "gemma3": Family(
        model_type="gemma3_text", config={**_GQA, "head_dim": 16, "sliding_window": 4}, table="gemma", **_NORMED
    ),
    "phi3": Family(model_type="phi3", config=_GQA, table="phi3", qkv="self_attn.qkv_proj"),
    "olmo2": Family(model_type="olmo2", config=_GQA, table="olmo2", norm=None, **_NORMED),
    "gptj": Family(
        model_type="gptj",
        config={**_OLD, "rotary_dim": 4},
        table="gptj",
        block="transformer.h.{layer}",
        norm="ln_1",
        qkv=("attn.q_proj", "attn.k_proj", "attn.v_proj"),
        o="attn.out_proj",
        down="mlp.fc_out",
    ),
    "opt": Family(model_type="opt", config=_OPT_CONFIG, table="opt", **_OPT),
    "opt-post-norm": Family(
        model_type="opt",
        config={**_OPT_CONFIG, "do_layer_norm_before": False, "word_embed_proj_dim": D_MODEL // 2},
        table="opt-post-norm",
        **{**_OPT, "norm": None},
    ),
    "mixtral": Family(model_type="mixtral", config={**_GQA, "num_local_experts": 4}, table="mixture", down=None),
    "qwen2_moe": Family(
        model_type="qwen2_moe",
        config={
            **_GQA,
            "moe_intermediate_size": 16,
            "shared_expert_intermediate_size": 16,
            "num_experts": 4,
            "num_experts_per_tok": 2,
        },
        table="mixture",
        down=None,
    ),
}


def build(family: Family, **changes: Any) -> torch.nn.Module:
    """A model whose every weight is random, norms and biases too."""
    config = AutoConfig.for_model(family.model_type, **{**_COMMON, **family.config, **changes})
    model = AutoModelForCausalLM.from_config(config).eval().requires_grad_(requires_grad=False)
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        centre = 1.0 if "norm" in name or ".ln_" in name else 0.0
        weight.copy_(centre * name.endswith("weight") + 0.25 * torch.randn(weight.shape, generator=generator))
    return model


def save(family: Family, folder: Path, **changes: Any) -> Path:
    build(family, **changes).save_pretrained(folder)
    return folder


def open_family(folder: Path):
    return load_subject(str(folder), TABLES)
