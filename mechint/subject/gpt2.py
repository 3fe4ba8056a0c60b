"""Recognising a model of the nanoGPT family by the names and shapes of its weights."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from mechint.checkpoint.checkpoint import Checkpoint
from mechint.errors import CheckpointError
from mechint.subject.architecture import Architecture, into, out_of, stream_into
from mechint.subject.nanogpt import GPT, GPTConfig

__all__ = ["GPT2", "GPT2_KV_TIED", "fit_weights", "infer_config"]

_BLOCK = "transformer.h.{layer}"
_SITES = {
    "embed": out_of("transformer.wte"),
    "resid_pre": into("{block}"),
    "resid_mid": stream_into("{block}.ln_2"),
    "resid_post": out_of("{block}"),
    "q": out_of("{block}.attn.q"),
    "k": out_of("{block}.attn.k"),
    "v": out_of("{block}.attn.v"),
    "z": out_of("{block}.attn.z"),
    "attn_out": out_of("{block}.attn"),
    "mlp_post": into("{block}.mlp.c_proj"),
    "mlp_out": out_of("{block}.mlp"),
}
GPT2 = Architecture(name="gpt2-nanogpt", block=_BLOCK, sites=_SITES)
GPT2_KV_TIED = Architecture(name="gpt2-nanogpt-kv-tied", block=_BLOCK, sites=_SITES)

_MOST_LAYERS = 1000
_ROWS = 12
"""Lines of each kind in a list of weights that do not fit."""
_MOST_COMPARED = 1000
"""Names among which a similar one is looked for."""

# Variants that other trainers write and that this module's model does not compute.
_FOREIGN = (
    ("reciprocal attention", re.compile(r"\.(ra_logit|ra_head_proj|ra_ln|sdpa_gate)\b")),
    ("the older reciprocal attention", re.compile(r"\.(w_std|w_rec|rwr_alpha|_gates_dirty)\b")),
    (
        "multi-head latent attention",
        re.compile(r"latent|mla|[kq]v?_a_proj|kv_b_proj|kv_down|kv_up|w_(dkv|uk|uv)\b", re.IGNORECASE),
    ),
    ("LoRA adapters", re.compile(r"lora_", re.IGNORECASE)),
)
# Heads of the named sizes, with the layers and width that they go with.
_NAMED_SIZES = {
    "gpt2-tiny": (6, 8, 512),
    "gpt2": (12, 12, 768),
    "gpt2-medium": (24, 16, 1024),
    "gpt2-large": (36, 20, 1280),
    "gpt2-xl": (48, 25, 1600),
}


def infer_config(checkpoint: Checkpoint, n_head: int | None) -> GPTConfig:
    """The model's shape: from the weights, and ``n_head`` from the caller or the checkpoint's facts.

    Raises CheckpointError where the weights are of another kind or the number of heads is not to be had.
    """
    path, weights = checkpoint.path, checkpoint.weights
    _refuse_foreign(path, weights)
    wte, wpe = _matrix(checkpoint, "transformer.wte.weight"), _matrix(checkpoint, "transformer.wpe.weight")
    projection = _matrix(checkpoint, "transformer.h.0.attn.c_attn.weight")
    width = wte[1]
    if projection not in ((3 * width, width), (2 * width, width)):
        turned = projection == (width, 3 * width)
        raise CheckpointError(
            f"{path}: transformer.h.0.attn.c_attn.weight is {list(projection)}; expected {[3 * width, width]} for "
            f"vanilla GPT-2 or {[2 * width, width]} with keys tied to values"
            + (", and this looks like Hugging Face's GPT-2, whose weights lie the other way round" if turned else "")
        )
    layers = {int(found[1]) for name in weights if (found := re.match(r"transformer\.h\.(\d{1,6})\.", name))}
    n_layer = len(layers)
    if n_layer > _MOST_LAYERS:
        raise CheckpointError(f"{path}: has {n_layer:,} layers, and {_MOST_LAYERS:,} is the most that is read")
    return GPTConfig(
        n_layer=n_layer,
        n_head=_infer_heads(checkpoint, n_layer, width, n_head),
        n_embd=width,
        block_size=wpe[0],
        vocab_size=wte[0],
        bias=any(name.endswith(".bias") and not name.endswith(".attn.bias") for name in weights),
        kv_tied=projection[0] == 2 * width,
    )


def fit_weights(checkpoint: Checkpoint, config: GPTConfig) -> dict[str, Tensor]:
    """The weights that ``GPT(config)`` takes, float32, under its own names for them.

    Raises CheckpointError with a list where any weight is missing, unknown or of another shape.
    """
    with torch.device("meta"):
        expected = {name: tuple(weight.shape) for name, weight in GPT(config).state_dict().items()}
    weights = dict(checkpoint.weights)
    for name in [name for name in weights if re.fullmatch(r"transformer\.h\.\d+\.attn\.bias", name)]:
        if not _is_causal_mask(weights.pop(name), config.block_size):
            raise CheckpointError(f"{checkpoint.path}: {name} is no causal mask, the only buffer known of that name")
    if "lm_head.weight" not in weights and "transformer.wte.weight" in weights:
        weights["lm_head.weight"] = weights["transformer.wte.weight"]
    _refuse_misfits(checkpoint.path, config, expected, weights)
    return {name: _as_float32(f"{checkpoint.path}: {name}", weights[name]) for name in expected}


def _as_float32(place: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        raise CheckpointError(f"{place} is of kind {str(tensor.dtype).removeprefix('torch.')}, which no weight is")
    converted = tensor.to(torch.float32, copy=True).contiguous()
    if not torch.isfinite(converted).all():
        raise CheckpointError(f"{place} has values that float32 cannot hold")
    return converted


def _refuse_foreign(path: str, weights: Mapping[str, Tensor]) -> None:
    for kind, pattern in _FOREIGN:
        names = [name for name in weights if pattern.search(name)]
        if names:
            raise CheckpointError(
                f"{path}: is a model with {kind}, which mechint does not know; not understood: {_listed(names)}"
            )


def _matrix(checkpoint: Checkpoint, name: str) -> tuple[int, int]:
    tensor = checkpoint.weights.get(name)
    if tensor is None:
        near = difflib.get_close_matches(name, list(checkpoint.weights)[:_MOST_COMPARED], n=1, cutoff=0.6)
        raise CheckpointError(
            f"{checkpoint.path}: is no model of the nanoGPT family: {name} is missing"
            + (f" (there is {near[0]})" if near else "")
            + f"; it holds {_listed(list(checkpoint.weights))}"
        )
    if tensor.ndim != 2 or 0 in tensor.shape:
        raise CheckpointError(f"{checkpoint.path}: {name} has shape {list(tensor.shape)}; expected a matrix")
    return tensor.shape[0], tensor.shape[1]


def _infer_heads(checkpoint: Checkpoint, n_layer: int, width: int, asked: int | None) -> int:
    """The number of heads: as asked, else as the checkpoint's facts state it, else of the size that they name."""
    path, facts = checkpoint.path, checkpoint.facts
    stated = facts.get("n_head")
    if stated is None and (named := _NAMED_SIZES.get(str(facts.get("model_name")))):
        stated = named[1] if (named[0], named[2]) == (n_layer, width) else None
    for fact, found in (("n_layer", n_layer), ("n_embd", width)):
        if asked is None and facts.get(fact) not in (None, found):
            raise CheckpointError(
                f"{path}: its config says {fact} {facts[fact]!r:.40} and its weights have {found}, so its n_head is "
                "not to be trusted either; save the right numbers in the checkpoint's config"
            )
    if asked is not None and stated not in (None, asked):
        raise CheckpointError(f"{path}: has {stated!r:.40} heads by its own config, and {asked} were asked for")
    heads = asked if asked is not None else stated
    if heads is None:
        raise CheckpointError(
            f"{path}: does not say how many attention heads it has, which no weight shows; save it in "
            "the checkpoint as {'model': …, 'model_args': {'n_head': …}}"
        )
    if type(heads) is not int or not 1 <= heads <= width or width % heads:
        raise CheckpointError(f"{path}: {heads!r:.40} heads do not divide the width {width}")
    return heads


def _is_causal_mask(tensor: Tensor, block_size: int) -> bool:
    square = tensor.reshape(tensor.shape[-2:]) if tensor.ndim == 4 and tensor.shape[:2] == (1, 1) else tensor
    if square.shape != (block_size, block_size):
        return False
    return torch.equal(square != 0, torch.ones(block_size, block_size, dtype=torch.bool).tril())


def _refuse_misfits(
    path: str, config: GPTConfig, expected: Mapping[str, tuple[int, ...]], weights: Mapping[str, Tensor]
) -> None:
    missing = [name for name in expected if name not in weights]
    unknown = [name for name in weights if name not in expected]
    misshapen = [name for name in expected if name in weights and tuple(weights[name].shape) != expected[name]]
    if not (missing or unknown or misshapen):
        return
    rows = _rows("missing", missing, lambda name: f"{list(expected[name])}{_near(name, unknown)}")
    rows += _rows("not understood", unknown, lambda name: f"{list(weights[name].shape)}{_near(name, missing)}")
    rows += _rows(
        "wrong shape", misshapen, lambda name: f"{list(weights[name].shape)}, expected {list(expected[name])}"
    )
    kind = "KV-tied GPT-2" if config.kv_tied else "vanilla GPT-2"
    raise CheckpointError(
        f"{path}: its weights are not those of a {kind} with {config.n_layer} layers of width {config.n_embd}; a part "
        "of a model is never loaded\n" + "\n".join(rows)
    )


def _rows(title: str, names: list[str], describe: Callable[[str], str]) -> list[str]:
    rows = [f"  {title:<15} {name} {describe(name)}" for name in names[:_ROWS]]
    return rows + ([f"  {title:<15} and {len(names) - _ROWS} more"] if len(names) > _ROWS else [])


def _near(name: str, others: list[str]) -> str:
    near = difflib.get_close_matches(name, others[:_MOST_COMPARED], n=1, cutoff=0.8)
    return f", is it {near[0]}?" if near else ""


def _listed(names: list[str]) -> str:
    return ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
