"""Every site of a GPT-2 and a Llama, against TransformerLens' own implementation of the same weights.

``pip install "transformer-lens<4"`` first: version 4 no longer has an implementation of its own. Random weights, so
nothing is downloaded.
"""

from __future__ import annotations

import importlib
import tempfile
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from mechint.subject.intervene import capture
from mechint.subject.load import load_subject
from mechint.subject.subject import Subject

HOOKS = {
    "embed": "hook_embed",
    "resid_pre": "blocks.{layer}.hook_resid_pre",
    "resid_mid": "blocks.{layer}.hook_resid_mid",
    "resid_post": "blocks.{layer}.hook_resid_post",
    "q": "blocks.{layer}.attn.hook_q",
    "k": "blocks.{layer}.attn.hook_k",
    "v": "blocks.{layer}.attn.hook_v",
    "z": "blocks.{layer}.attn.hook_z",
    "attn_out": "blocks.{layer}.hook_attn_out",
    "mlp_post": "blocks.{layer}.mlp.hook_post",
    "mlp_out": "blocks.{layer}.hook_mlp_out",
}
SIZES = {"n_layers": 3, "d_model": 64, "d_head": 16, "n_heads": 4, "d_mlp": 96, "d_vocab": 101, "n_ctx": 32}
MODELS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "gpt2": (
        {"n_layer": 3, "n_embd": 64, "n_head": 4, "n_inner": 96, "n_positions": 32},
        {"act_fn": "gelu_new", "normalization_type": "LN"},
    ),
    "llama": (
        {
            "num_hidden_layers": 3,
            "hidden_size": 64,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "intermediate_size": 96,
            "max_position_embeddings": 32,
            "rms_norm_eps": 1e-5,
        },
        {
            "act_fn": "silu",
            "normalization_type": "RMS",
            "positional_embedding_type": "rotary",
            "rotary_dim": 16,
            "rotary_adjacent_pairs": False,
            "gated_mlp": True,
            "final_rms": True,
            "n_key_value_heads": 2,
            "eps": 1e-5,
        },
    ),
}


def main() -> None:
    """Print the largest difference at each kind of site, and of the logits."""
    tokens = torch.randint(101, (4, 20), generator=torch.Generator().manual_seed(1))
    print("| model | site | largest value | largest difference |\n| --- | --- | ---: | ---: |")
    for name, (config, hooked) in MODELS.items():
        model = _random(name, config)
        for site, largest, difference in _compare(_ours(model), _theirs(name, model, hooked), tokens):
            print(f"| {name} | {site} | {largest:.2f} | {difference:.1e} |")


def _random(model_type: str, config: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    built = AutoConfig.for_model(
        model_type, vocab_size=101, bos_token_id=None, eos_token_id=None, pad_token_id=None, **config
    )
    model = AutoModelForCausalLM.from_config(built).eval().requires_grad_(requires_grad=False)
    for weight in model.parameters():
        weight += 0.1 * torch.randn_like(weight)
    return model


def _ours(model: Any) -> Subject:
    tables = importlib.import_module("mechint.plugins.architectures").mechint_architectures()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return load_subject(folder, tables)


def _theirs(name: str, model: Any, options: dict[str, Any]) -> Any:
    lens = importlib.import_module("transformer_lens")
    weight_conversions = importlib.import_module("transformer_lens.pretrained.weight_conversions")
    config = lens.HookedTransformerConfig(**SIZES, **options, original_architecture=type(model).__name__, device="cpu")
    converted = getattr(weight_conversions, f"convert_{name}_weights")(model, config)
    hooked = lens.HookedTransformer(config)
    hooked.load_state_dict(converted, strict=False)  # TransformerLens makes its causal masks itself
    return hooked.eval()


@torch.no_grad()
def _compare(subject: Subject, hooked: Any, tokens: torch.Tensor) -> list[tuple[str, float, float]]:
    logits, cache = hooked.run_with_cache(tokens)
    rows: dict[str, tuple[float, float]] = {}
    for site, value in capture(subject, subject.sites(), tokens).items():
        theirs = cache[HOOKS[site.kind].format(layer=site.layer)].reshape(value.shape)
        largest, difference = rows.get(site.kind, (0.0, 0.0))
        rows[site.kind] = (
            max(largest, float(theirs.abs().max())),
            max(difference, float((theirs - value).abs().max())),
        )
    rows["logits"] = (float(logits.abs().max()), float((subject.logits(tokens) - logits).abs().max()))
    return [(kind, *pair) for kind, pair in rows.items()]


if __name__ == "__main__":
    main()
