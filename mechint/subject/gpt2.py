"""Recognising a model of the nanoGPT family, its variants included, by the names and shapes of its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from mechint.checkpoint.checkpoint import Checkpoint
from mechint.checkpoint.weights import is_finite
from mechint.codes import Code
from mechint.errors import CheckpointError
from mechint.spec.checkpoints import Reference
from mechint.subject.architecture import Architecture, into, out_of, stream_into
from mechint.subject.gpt2_facts import choose_activation, choose_heads, choose_rank, refuse_other_functions
from mechint.subject.gpt2_layouts import LaidOut, listed, to_nanogpt
from mechint.subject.misfits import describe_misfits
from mechint.subject.nanogpt import GPT, FoldedGates, GPTConfig, shape_of
from mechint.subject.subject import Shape

__all__ = [
    "GPT2",
    "GPT2_GATED",
    "GPT2_KV_TIED",
    "GPT2_RA",
    "GPT2_RA_FOLDED",
    "GPT2_RA_GATED",
    "architecture_of",
    "infer_config",
    "load_gpt2",
]

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
GPT2_GATED = Architecture(name="gpt2-nanogpt-gated", block=_BLOCK, sites=_SITES, mixes_heads=True)
GPT2_RA = Architecture(name="gpt2-nanogpt-ra", block=_BLOCK, sites=_SITES, mixes_heads=True)
GPT2_RA_GATED = Architecture(name="gpt2-nanogpt-ra-gated", block=_BLOCK, sites=_SITES, mixes_heads=True)
GPT2_RA_FOLDED = Architecture(name="gpt2-nanogpt-ra-folded", block=_BLOCK, sites=_SITES, mixes_heads=True)

_KINDS = {
    GPT2.name: "vanilla GPT-2",
    GPT2_KV_TIED.name: "KV-tied GPT-2",
    GPT2_GATED.name: "GPT-2 with gated heads",
    GPT2_RA.name: "GPT-2 with reciprocal attention",
    GPT2_RA_GATED.name: "GPT-2 with reciprocal attention and gated heads",
    GPT2_RA_FOLDED.name: "GPT-2 with folded reciprocal attention",
}

_MOST_LAYERS = 1000

# Variants that other trainers write and that no model here computes.
_FOREIGN = (
    ("a reciprocal MLP", re.compile(r"\.mlp\.(w_std|w_rec|up_std|up_low|attn_scale|coupling_scale)\b")),
    ("skip gates on reciprocal attention", re.compile(r"\.attn\.skip_(std|lowrank)_attn\b")),
    ("spectral reciprocal attention", re.compile(r"\.attn\.(raw_beta|basis_u|selected_heads)\b")),
    ("alternating reciprocal attention", re.compile(r"\balternation_logits\b")),
    (
        "multi-head latent attention",
        re.compile(r"latent|mla|[kq]v?_a_proj|kv_b_proj|kv_down|kv_up|w_(dkv|uk|uv)\b", re.IGNORECASE),
    ),
    ("LoRA adapters", re.compile(r"lora_", re.IGNORECASE)),
)

_RECIPROCAL = re.compile(r"\.attn\.(ra_logit|ra_head_proj|ra_ln)\b")
_GATE = re.compile(r"\.attn\.sdpa_gate\b")
_FOLDED = re.compile(r"\.attn\.(w_std|w_rec|rwr_alpha|_gates_dirty)\b")
_FOLDED_FLAG = re.compile(r"transformer\.h\.\d+\.attn\._gates_dirty")
_FOLDED_START = {"w_std": 0.9, "w_rec": 0.1}
"""What gates start at in the older tool's first versions."""


def load_gpt2(checkpoint: Checkpoint, reference: Reference) -> tuple[GPT, Architecture, Shape]:
    """The model of a checkpoint without a config, float32, frozen and in eval mode, with its table and sizes.

    Raises CheckpointError where it is no variant of GPT-2 that is known, where a weight is missing, unknown or
    misshapen, or where a number is needed that neither the file nor the spec states.
    """
    _refuse_foreign(checkpoint)
    laid_out = to_nanogpt(checkpoint)
    config = infer_config(laid_out, reference)
    architecture = architecture_of(config)
    if reference.architecture not in (None, architecture.name):
        raise CheckpointError(
            f"{checkpoint.path}: its weights are those of {architecture.name}, and the spec says architecture "
            f"{reference.architecture!r}; leave that out",
            code=Code.FACTS,
        )
    weights = _fit_weights(laid_out.checkpoint, config)
    with torch.device("meta"):
        model = GPT(config)
    model.load_state_dict(weights, strict=True, assign=True)
    if torch.equal(weights["lm_head.weight"], weights["transformer.wte.weight"]):
        model.lm_head.weight = model.get_parameter("transformer.wte.weight")
    return model.requires_grad_(requires_grad=False).eval(), architecture, shape_of(config)


def architecture_of(config: GPTConfig) -> Architecture:
    """The table of the variant, which its name tells apart."""
    if config.folded is not None:
        return GPT2_RA_FOLDED
    if config.reciprocal_heads:
        return GPT2_RA_GATED if config.gated else GPT2_RA
    if config.kv_tied:
        return GPT2_KV_TIED
    return GPT2_GATED if config.gated else GPT2


def infer_config(laid_out: LaidOut, reference: Reference) -> GPTConfig:
    """The model's shape: from its weights, and what they do not show from the spec or the checkpoint's facts."""
    checkpoint = laid_out.checkpoint
    names = list(checkpoint.weights)
    layers = {int(found[1]) for name in names if (found := re.match(r"transformer\.h\.(\d{1,6})\.", name))}
    n_layer = len(layers)
    if n_layer > _MOST_LAYERS:
        raise CheckpointError(
            f"{checkpoint.path}: has {n_layer:,} layers, and {_MOST_LAYERS:,} is the most that is read"
        )
    refuse_other_functions(laid_out)
    _refuse_mixtures(laid_out)
    n_head = choose_heads(laid_out, n_layer, reference)
    return GPTConfig(
        n_layer=n_layer,
        n_head=n_head,
        n_embd=laid_out.width,
        block_size=laid_out.context,
        vocab_size=laid_out.n_vocab,
        bias=any(name.endswith(".bias") for name in names),
        activation=choose_activation(laid_out, reference),
        kv_tied=laid_out.kv_tied,
        gated=any(map(_GATE.search, names)),
        reciprocal_heads=_reciprocal_heads(laid_out, n_layer, n_head),
        folded=_folded_gates(laid_out, n_head),
    )


def _refuse_foreign(checkpoint: Checkpoint) -> None:
    for kind, pattern in _FOREIGN:
        names = [name for name in checkpoint.weights if pattern.search(name)]
        if names:
            raise CheckpointError(
                f"{checkpoint.path}: is a model with {kind}, which mechint does not know; not understood: "
                f"{listed(names)}",
                code=Code.ARCHITECTURE,
            )


def _refuse_mixtures(laid_out: LaidOut) -> None:
    """Variants are computed one at a time, but for the gate, which goes with the first reciprocal form."""
    names = list(laid_out.checkpoint.weights)
    found = {
        "reciprocal attention": list(filter(_RECIPROCAL.search, names)),
        "gated heads": list(filter(_GATE.search, names)),
        "folded reciprocal attention": list(filter(_FOLDED.search, names)),
    }
    kinds = [kind for kind, keys in found.items() if keys]
    kinds += ["tied keys and values"] * laid_out.kv_tied + ["Hugging Face's layout"] * laid_out.hugging_face
    if len(kinds) > 1 and kinds != ["reciprocal attention", "gated heads"]:
        keys = [key for keys in found.values() for key in keys[:2]]
        raise CheckpointError(
            f"{laid_out.checkpoint.path}: has {' and '.join(kinds)} in one model, which no known trainer writes; not "
            f"understood: {listed(keys)}"
        )


def _reciprocal_heads(laid_out: LaidOut, n_layer: int, n_head: int) -> tuple[int, ...]:
    """For each layer, the heads whose outputs its reciprocal projection reads; empty where no layer has one."""
    if not any(map(_RECIPROCAL.search, laid_out.checkpoint.weights)):
        return ()
    d_head = laid_out.width // n_head
    heads = []
    for layer in range(n_layer):
        name = f"{_BLOCK.format(layer=layer)}.attn.ra_head_proj.weight"
        weight = laid_out.checkpoint.weights.get(name)
        columns = 0 if weight is None or weight.ndim != 2 else weight.shape[1]
        if columns % d_head or columns > laid_out.width:
            raise CheckpointError(
                f"{laid_out.checkpoint.path}: {name} reads {columns} channels, which are no whole heads of {d_head}; "
                f"{n_head} is perhaps not its number of heads"
            )
        heads.append(columns // d_head)
    return tuple(heads)


def _folded_gates(laid_out: LaidOut, n_head: int) -> FoldedGates | None:
    weights = laid_out.checkpoint.weights
    if not any(map(_FOLDED.search, weights)):
        return None
    gate = weights.get(f"{_BLOCK.format(layer=0)}.attn.w_rec")
    return FoldedGates(
        rank=choose_rank(laid_out, laid_out.width // n_head, FoldedGates().rank),
        shape=tuple(gate.shape) if gate is not None and tuple(gate.shape) in ((1,), (n_head,)) else (),
        restart=any(name.endswith(".rwr_alpha") for name in weights),
    )


def _fit_weights(checkpoint: Checkpoint, config: GPTConfig) -> dict[str, Tensor]:
    """The weights that ``GPT(config)`` takes, float32, under its own names for them.

    Raises CheckpointError with a list where any weight is missing, unknown or of another shape.
    """
    with torch.device("meta"):
        expected = {name: tuple(weight.shape) for name, weight in GPT(config).state_dict().items()}
    weights = dict(checkpoint.weights)
    if config.folded is not None:
        _drop_flags(checkpoint.path, weights)
        _refuse_gates_multiplied_in(checkpoint)
    if "lm_head.weight" not in weights and "transformer.wte.weight" in weights:
        weights["lm_head.weight"] = weights["transformer.wte.weight"]
    _refuse_misfits(checkpoint, config, expected, weights)
    return {name: _as_float32(f"{checkpoint.path}: {name}", weights[name]) for name in expected}


def _drop_flags(path: str, weights: dict[str, Tensor]) -> None:
    """Take out the buffer that would say that gates await being multiplied into the projection."""
    for name in list(filter(_FOLDED_FLAG.fullmatch, weights)):
        flag = weights.pop(name)
        if flag.numel() != 1 or flag.item() != 0:
            raise CheckpointError(
                f"{path}: {name} is set, so what its gates w_std and w_rec are multiplied with is not certain"
            )


def _refuse_gates_multiplied_in(checkpoint: Checkpoint) -> None:
    """Raise CheckpointError where training left every gate as it was, which it cannot where the forward pass has them.

    The first version of folded attention multiplied its gates into the projection once and had no further use for them.
    """
    gates = {name: weight for name, weight in checkpoint.weights.items() if name.endswith((".w_std", ".w_rec"))}
    untouched = all(
        bool((weight == torch.tensor(_FOLDED_START[name.rpartition(".")[2]], dtype=weight.dtype)).all())
        for name, weight in gates.items()
    )
    if checkpoint.step and gates and untouched:
        raise CheckpointError(
            f"{checkpoint.path}: after {checkpoint.step:,} steps its gates are as they started, so they are probably "
            f"multiplied into the projections already: {listed(list(gates))}\n"
            "  hint: if so, save ones in their place"
        )


def _refuse_misfits(
    checkpoint: Checkpoint, config: GPTConfig, expected: Mapping[str, tuple[int, ...]], weights: Mapping[str, Tensor]
) -> None:
    missing = [f"{name} {list(shape)}" for name, shape in expected.items() if name not in weights]
    unknown = [name for name in weights if name not in expected]
    wrong = [
        f"{name} {list(weights[name].shape)}, expected {list(shape)}"
        for name, shape in expected.items()
        if name in weights and tuple(weights[name].shape) != shape
    ]
    if missing or unknown or wrong:
        kind = f"{_KINDS[architecture_of(config).name]} with {config.n_layer} layers of width {config.n_embd}"
        raise CheckpointError(describe_misfits(checkpoint, kind, missing, unknown, wrong), code=Code.MISFIT)


def _as_float32(place: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        raise CheckpointError(f"{place} is of kind {str(tensor.dtype).removeprefix('torch.')}, which no weight is")
    converted = tensor.to(torch.float32, copy=True).contiguous()
    if not is_finite(converted):
        raise CheckpointError(f"{place} has values that float32 cannot hold")
    return converted
