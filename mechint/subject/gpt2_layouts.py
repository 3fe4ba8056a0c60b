"""The layouts that GPT-2's weights are saved in, brought to nanoGPT's.

============  =====================================  =====================================================
              nanoGPT                                Hugging Face
============  =====================================  =====================================================
names         ``transformer.h.0.attn.c_attn.weight``  the same, or without ``transformer.``
projections   Linear, ``[out, in]``                  Conv1D, ``[in, out]``
buffers       ``attn.bias`` in older files           ``attn.bias`` and ``attn.masked_bias`` in older files
============  =====================================  =====================================================
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mechint.checkpoint.checkpoint import Checkpoint
from mechint.codes import Code
from mechint.errors import CheckpointError

__all__ = ["LaidOut", "listed", "to_nanogpt"]

_PREFIX = "transformer."
_EMBEDDING = "transformer.wte.weight"
_POSITIONS = "transformer.wpe.weight"
_PROJECTION = "transformer.h.0.attn.c_attn.weight"
_PROJECTIONS = re.compile(r"transformer\.h\.\d+\.(attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight")
_CAUSAL_MASK = re.compile(r"transformer\.h\.\d+\.attn\.bias")
_MASKED_SCORE = re.compile(r"transformer\.h\.\d+\.attn\.masked_bias")
_HIGHEST_MASKED_SCORE = -1e4
"""What Hugging Face's older code put in place of scores that are masked, or lower."""
_MOST_COMPARED = 1000
"""Names among which a similar one is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LaidOut:
    """A checkpoint under nanoGPT's names and in its layout, without buffers, and the sizes that its shapes show."""

    checkpoint: Checkpoint
    hugging_face: bool
    """It was saved in Hugging Face's layout."""
    width: int
    context: int
    n_vocab: int
    kv_tied: bool


def to_nanogpt(checkpoint: Checkpoint) -> LaidOut:
    """The checkpoint in nanoGPT's layout. Raises CheckpointError where it is not of this family."""
    checkpoint = replace(checkpoint, weights=_with_prefix(checkpoint.weights))
    n_vocab, width = _matrix(checkpoint, _EMBEDDING)
    context, _ = _matrix(checkpoint, _POSITIONS)
    projection = _matrix(checkpoint, _PROJECTION)
    hugging_face = projection == (width, 3 * width)
    if not hugging_face and projection not in ((3 * width, width), (2 * width, width)):
        raise CheckpointError(
            f"{checkpoint.path}: {_PROJECTION} is {list(projection)}; expected {[3 * width, width]} for vanilla GPT-2, "
            f"{[2 * width, width]} with keys tied to values or {[width, 3 * width]} in Hugging Face's layout",
            code=Code.MISFIT,
        )
    weights = _without_buffers(checkpoint.path, checkpoint.weights, context)
    return LaidOut(
        checkpoint=replace(checkpoint, weights=_turned(weights) if hugging_face else weights),
        hugging_face=hugging_face,
        width=width,
        context=context,
        n_vocab=n_vocab,
        kv_tied=projection == (2 * width, width),
    )


def listed(names: list[str]) -> str:
    """The first of some names, for a message."""
    return ", ".join(names[:6]) + (" …" if len(names) > 6 else "")


def _with_prefix(weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The weights of a model with an unembedding; a model without one is saved without the prefix."""
    if "wte.weight" not in weights or any(name.startswith(_PREFIX) for name in weights):
        return weights
    return {name if name.startswith("lm_head.") else _PREFIX + name: weight for name, weight in weights.items()}


def _matrix(checkpoint: Checkpoint, name: str) -> tuple[int, int]:
    tensor = checkpoint.weights.get(name)
    if tensor is None:
        near = difflib.get_close_matches(name, list(checkpoint.weights)[:_MOST_COMPARED], n=1, cutoff=0.6)
        raise CheckpointError(
            f"{checkpoint.path}: is no model of the nanoGPT family: {name} is missing"
            + (f" (there is {near[0]})" if near else "")
            + f"; it holds {listed(list(checkpoint.weights))}\n"
            "  hint: a model of another family needs its config.json, beside the weights or as config: in the spec",
            code=Code.MISFIT,
        )
    if tensor.ndim != 2 or 0 in tensor.shape:
        raise CheckpointError(
            f"{checkpoint.path}: {name} has shape {list(tensor.shape)}; expected a matrix", code=Code.MISFIT
        )
    return tensor.shape[0], tensor.shape[1]


def _without_buffers(path: str, weights: Mapping[str, Tensor], context: int) -> dict[str, Tensor]:
    kept = dict(weights)
    for name, tensor in weights.items():
        if _CAUSAL_MASK.fullmatch(name):
            if not _is_causal_mask(tensor, context):
                raise CheckpointError(
                    f"{path}: {name} is no causal mask, the only buffer known of that name", code=Code.MISFIT
                )
            del kept[name]
        elif _MASKED_SCORE.fullmatch(name):
            if tensor.numel() != 1 or tensor.item() > _HIGHEST_MASKED_SCORE:
                raise CheckpointError(
                    f"{path}: {name} is no score of what is masked, the only buffer of that name", code=Code.MISFIT
                )
            del kept[name]
    return kept


def _is_causal_mask(tensor: Tensor, context: int) -> bool:
    square = tensor.reshape(tensor.shape[-2:]) if tensor.ndim == 4 and tensor.shape[:2] == (1, 1) else tensor
    if square.shape != (context, context):
        return False
    return torch.equal(square != 0, torch.ones(context, context, dtype=torch.bool).tril())


def _turned(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights with every projection's two axes exchanged."""
    return {
        name: weight.T if weight.ndim == 2 and _PROJECTIONS.fullmatch(name) else weight
        for name, weight in weights.items()
    }
