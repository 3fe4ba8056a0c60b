"""Where the sites lie in the models of transformers, one table a family.

A model of another family is recognised where exactly one table fits the names of its modules and the sums that
``mechint.subject.selfcheck`` tests. For the others, a package can give tables of its own through the same hook.
"""

from __future__ import annotations

from mechint import hookimpl
from mechint.subject.architecture import Architecture, into, out_of, part_of, stream_into

SIDE_BY_SIDE = "attention and MLP read the same residual stream side by side"
EXPERTS = "each token goes through a few of many experts, whose neurons are not one site"


@hookimpl
def mechint_architectures() -> list[Architecture]:
    return [GPT2, GPT_NEOX, GPT_NEOX_SEQUENTIAL, LLAMA, GEMMA, GEMMA3, PHI3, OLMO2, GPTJ, OPT, OPT_POST_NORM, MIXTURE]


GPT2 = Architecture(
    name="gpt2",
    model_types=("gpt2",),
    block="transformer.h.{layer}",
    sites={
        "embed": out_of("transformer.wte"),
        "resid_pre": into("{block}"),
        "resid_mid": stream_into("{block}.ln_2"),
        "resid_post": out_of("{block}"),
        "q": part_of("{block}.attn.c_attn", "concatenated"),
        "k": part_of("{block}.attn.c_attn", "concatenated"),
        "v": part_of("{block}.attn.c_attn", "concatenated"),
        "z": into("{block}.attn.c_proj"),
        "attn_out": out_of("{block}.attn.c_proj"),
        "mlp_post": into("{block}.mlp.c_proj"),
        "mlp_out": out_of("{block}.mlp.c_proj"),
    },
)

_GPT_NEOX_SITES = {
    "embed": out_of("gpt_neox.embed_in"),
    "resid_pre": into("{block}"),
    "resid_post": out_of("{block}"),
    "q": part_of("{block}.attention.query_key_value", "interleaved"),
    "k": part_of("{block}.attention.query_key_value", "interleaved"),
    "v": part_of("{block}.attention.query_key_value", "interleaved"),
    "z": into("{block}.attention.dense"),
    "attn_out": out_of("{block}.attention.dense"),
    "mlp_post": into("{block}.mlp.dense_4h_to_h"),
    "mlp_out": out_of("{block}.mlp.dense_4h_to_h"),
}
GPT_NEOX = Architecture(  # Pythia
    name="gpt_neox",
    model_types=("gpt_neox",),
    when={"use_parallel_residual": True},
    block="gpt_neox.layers.{layer}",
    sites=_GPT_NEOX_SITES,
    absent={"resid_mid": SIDE_BY_SIDE},
)
GPT_NEOX_SEQUENTIAL = Architecture(
    name="gpt_neox-sequential",
    model_types=("gpt_neox",),
    when={"use_parallel_residual": False},
    block="gpt_neox.layers.{layer}",
    sites={**_GPT_NEOX_SITES, "resid_mid": stream_into("{block}.post_attention_layernorm")},
)

_LLAMA_ATTENTION = {
    "embed": out_of("model.embed_tokens"),
    "resid_pre": into("{block}"),
    "resid_mid": stream_into("{block}.post_attention_layernorm"),
    "resid_post": out_of("{block}"),
    "q": out_of("{block}.self_attn.q_proj"),
    "k": out_of("{block}.self_attn.k_proj"),
    "v": out_of("{block}.self_attn.v_proj"),
    "z": into("{block}.self_attn.o_proj"),
    "attn_out": out_of("{block}.self_attn.o_proj"),
}
_LLAMA_MLP = {"mlp_post": into("{block}.mlp.down_proj"), "mlp_out": out_of("{block}.mlp.down_proj")}
LLAMA = Architecture(
    name="llama",
    model_types=("llama", "mistral", "qwen2", "qwen3"),
    block="model.layers.{layer}",
    sites={**_LLAMA_ATTENTION, **_LLAMA_MLP},
)
MIXTURE = Architecture(
    name="mixture",
    model_types=("mixtral", "qwen2_moe"),
    by_type_only=True,
    block="model.layers.{layer}",
    sites={**_LLAMA_ATTENTION, "mlp_out": out_of("{block}.mlp")},
    absent={"mlp_post": EXPERTS},
)
GEMMA = Architecture(  # what attention and MLP add is normalised once more before it is added
    name="gemma",
    model_types=("gemma2", "gemma3_text"),
    block="model.layers.{layer}",
    sites={
        **_LLAMA_ATTENTION,
        "resid_mid": stream_into("{block}.pre_feedforward_layernorm"),
        "attn_out": out_of("{block}.post_attention_layernorm"),
        "mlp_post": into("{block}.mlp.down_proj"),
        "mlp_out": out_of("{block}.post_feedforward_layernorm"),
    },
)
GEMMA3 = Architecture(  # with a vision tower beside the language model
    name="gemma3",
    model_types=("gemma3",),
    block="model.language_model.layers.{layer}",
    sites={**GEMMA.sites, "embed": out_of("model.language_model.embed_tokens")},
)
OLMO2 = Architecture(  # the same, and nothing is normalised before
    name="olmo2",
    model_types=("olmo2",),
    block="model.layers.{layer}",
    sites={
        **_LLAMA_ATTENTION,
        "resid_mid": stream_into("{block}.mlp"),
        "attn_out": out_of("{block}.post_attention_layernorm"),
        "mlp_post": into("{block}.mlp.down_proj"),
        "mlp_out": out_of("{block}.post_feedforward_layernorm"),
    },
)
PHI3 = Architecture(
    name="phi3",
    model_types=("phi3",),
    block="model.layers.{layer}",
    sites={
        **_LLAMA_ATTENTION,
        **_LLAMA_MLP,
        "q": part_of("{block}.self_attn.qkv_proj", "concatenated"),
        "k": part_of("{block}.self_attn.qkv_proj", "concatenated"),
        "v": part_of("{block}.self_attn.qkv_proj", "concatenated"),
    },
)

GPTJ = Architecture(
    name="gptj",
    model_types=("gptj",),
    block="transformer.h.{layer}",
    sites={
        "embed": out_of("transformer.wte"),
        "resid_pre": into("{block}"),
        "resid_post": out_of("{block}"),
        "q": out_of("{block}.attn.q_proj"),
        "k": out_of("{block}.attn.k_proj"),
        "v": out_of("{block}.attn.v_proj"),
        "z": into("{block}.attn.out_proj"),
        "attn_out": out_of("{block}.attn.out_proj"),
        "mlp_post": into("{block}.mlp.fc_out"),
        "mlp_out": out_of("{block}.mlp.fc_out"),
    },
    absent={"resid_mid": SIDE_BY_SIDE},
)

_OPT_SITES = {
    "embed": out_of("model.decoder.embed_tokens"),
    "resid_pre": into("{block}"),
    "resid_post": out_of("{block}"),
    "q": out_of("{block}.self_attn.q_proj"),
    "k": out_of("{block}.self_attn.k_proj"),
    "v": out_of("{block}.self_attn.v_proj"),
    "z": into("{block}.self_attn.out_proj"),
    "attn_out": out_of("{block}.self_attn.out_proj"),
    "mlp_post": into("{block}.fc2", flat=True),
    "mlp_out": out_of("{block}.fc2", flat=True),
}
OPT = Architecture(
    name="opt",
    model_types=("opt",),
    when={"do_layer_norm_before": True},
    block="model.decoder.layers.{layer}",
    sites={**_OPT_SITES, "resid_mid": stream_into("{block}.final_layer_norm", flat=True)},
)
OPT_POST_NORM = Architecture(  # OPT-350M
    name="opt-post-norm",
    model_types=("opt",),
    when={"do_layer_norm_before": False},
    block="model.decoder.layers.{layer}",
    sites={**_OPT_SITES, "resid_mid": out_of("{block}.self_attn_layer_norm")},
    post_norm=True,
)
