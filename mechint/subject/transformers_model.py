"""Models of the transformers library: from a config and weights that were read safely to a frozen model.

transformers knows how to build the model and which weights go where; it is given both as values, so it opens no file,
runs nothing of the checkpoint and asks no network. Every weight must find its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mechint.checkpoint.checkpoint import Checkpoint
from mechint.checkpoint.quiet import quiet
from mechint.codes import Code
from mechint.errors import CheckpointError, first_line
from mechint.subject.architecture import Architecture
from mechint.subject.claims import refuse_oversized
from mechint.subject.misfits import describe_misfits
from mechint.subject.readout import Unembedding
from mechint.subject.subject import Shape

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

__all__ = ["build_model", "find_unembedding", "read_shape", "run_transformers"]

_NOT_TAKEN = frozenset(
    {
        # Kernels may be named by a repository whose code would be fetched.
        *("attn_implementation", "_attn_implementation", "_attn_implementation_internal"),
        *("experts_implementation", "_experts_implementation", "_experts_implementation_internal", "use_kernels"),
        *("auto_map", "quantization_config"),
        # How a forward pass answers is for the caller to say.
        *("output_attentions", "output_hidden_states", "return_dict", "torchscript", "use_cache"),
        # Of classifiers; each label would be an entry of a dictionary.
        *("num_labels", "id2label", "label2id"),
        *("dtype", "torch_dtype", "name_or_path", "_name_or_path", "transformers_version", "_commit_hash"),
    }
)
"""Entries of a config that say something else than what the model computes."""

_ALIGNMENT = 64
"""Bytes; of every tensor that torch allocates on a CPU."""


def build_model(config: Mapping[str, Any], checkpoint: Checkpoint, dtype: torch.dtype) -> PreTrainedModel:
    """The causal language model of a config with the checkpoint's weights, frozen and in eval mode.

    Raises CheckpointError for a kind of model that transformers does not know, and with a list where a weight is
    missing, unknown or of another shape.
    """
    with quiet():
        built, place = _read_config(config, checkpoint.path)
        refuse_oversized(place, built, checkpoint)
        model = _load(built, place, checkpoint, dtype)
    _align(model)
    model.requires_grad_(requires_grad=False).eval()
    model.config.use_cache = False
    _try_to_run(model, checkpoint.path)
    return model


def read_shape(model: PreTrainedModel, architecture: Architecture) -> Shape:
    """The model's sizes: from its config, and the number of neurons from the projection that reads them.

    Raises CheckpointError where the config does not state one number for all layers.
    """
    text = model.config.get_text_config()
    try:
        heads = text.num_attention_heads
        return Shape(
            n_layer=text.num_hidden_layers,
            n_head=heads,
            n_kv_head=getattr(text, "num_key_value_heads", None) or heads,
            d_head=getattr(text, "head_dim", None) or text.hidden_size // heads,
            d_model=text.hidden_size,
            d_embed=_count_columns(model.get_input_embeddings()),
            d_mlp=_count_neurons(model, architecture),
            n_vocab=text.vocab_size,
            context=text.max_position_embeddings,
        )
    # Some families have settings that differ from layer to layer, and raise errors of their own for them.
    except Exception as error:
        raise CheckpointError(f"the sizes of {type(model).__name__} cannot be read: {first_line(error)}") from None


def run_transformers(model: nn.Module, tokens: Tensor, mask: Tensor | None) -> Tensor:
    """Logits ``[b p v]``; padding, where there is some, takes part in nothing and has no position."""
    inputs: dict[str, Any] = {"input_ids": tokens, "use_cache": False}
    if mask is not None:
        positions = (mask.long().cumsum(1) - 1).clamp(min=0)
        inputs |= {"attention_mask": mask.long(), "position_ids": positions}
    logits: Tensor = model(**inputs).logits
    return logits


@torch.no_grad()
def find_unembedding(model: PreTrainedModel) -> Unembedding | None:
    """The module that gives logits, tried on two tokens; None where the model names none or does not call it."""
    head = model.get_output_embeddings()
    path = next((path for path, module in model.named_modules() if module is head), None)
    if path is None:
        return None
    given: list[Tensor] = []

    def keep(_module: nn.Module, _arguments: object, result: Tensor) -> None:
        given.append(result)

    handle = head.register_forward_hook(keep)
    try:
        logits = run_transformers(model, torch.zeros(1, 2, dtype=torch.long), None)
    finally:
        handle.remove()
    return Unembedding(path=path, last=torch.equal(given[0], logits)) if len(given) == 1 else None


def _read_config(config: Mapping[str, Any], path: str) -> tuple[PretrainedConfig, type[PreTrainedModel]]:
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

    taken = _without(config, _NOT_TAKEN)
    model_type = taken.pop("model_type")
    try:
        built = AutoConfig.for_model(model_type, **taken)
        kind: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(built)]
    # A config is checked by code of each family, which raises what it likes.
    except Exception as error:
        raise CheckpointError(
            f"{path}: its config.json is of no causal language model that transformers can build "
            f"(model_type {model_type!r:.60}): {first_line(error)}"
            + ("; it brings code of its own (auto_map), which is never run" if "auto_map" in config else ""),
            code=Code.ARCHITECTURE,
        ) from None
    return built, kind


def _without(config: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    """The config without some keys, in its parts too."""
    return {k: _without(v, keys) if isinstance(v, Mapping) else v for k, v in config.items() if k not in keys}


def _load(
    config: PretrainedConfig, kind: type[PreTrainedModel], checkpoint: Checkpoint, dtype: torch.dtype
) -> PreTrainedModel:
    try:
        load: Any = kind.from_pretrained
        model, info = load(
            None, config=config, state_dict=dict(checkpoint.weights), dtype=dtype, output_loading_info=True
        )
    except Exception as error:  # shapes that do not fit come as RuntimeError, impossible configs as anything
        raise CheckpointError(
            f"{checkpoint.path}: transformers cannot load its weights as {kind.__name__}: {first_line(error)}"
        ) from None
    missing, unknown = sorted(info["missing_keys"]), sorted(info["unexpected_keys"])
    wrong = sorted(map(str, (*info["mismatched_keys"], *info.get("error_msgs", ()))))
    if missing or unknown or wrong:
        raise CheckpointError(describe_misfits(checkpoint, kind.__name__, missing, unknown, wrong), code=Code.MISFIT)
    loaded: PreTrainedModel = model
    return loaded


def _align(model: nn.Module) -> None:
    """Move weights that lie in the file's own memory to where torch would have put them.

    Products round differently on unaligned memory, so bits would depend on the length of a file's header; and a file
    that is replaced later must not reach a running analysis.
    """
    for weight in model.parameters():
        if weight.data_ptr() % _ALIGNMENT:
            weight.data = weight.data.clone()


def _try_to_run(model: PreTrainedModel, path: str) -> None:
    """Some impossible settings are noticed by the forward pass alone."""
    try:
        with torch.no_grad():
            run_transformers(model, torch.zeros(1, 2, dtype=torch.long), None)
    except Exception as error:
        raise CheckpointError(
            f"{path}: its config.json builds a {type(model).__name__} that cannot run: {first_line(error)}",
            code=Code.ARCHITECTURE,
        ) from None


def _count_neurons(model: nn.Module, architecture: Architecture) -> int:
    from transformers.pytorch_utils import Conv1D

    tap = architecture.sites.get("mlp_post")
    if tap is None:
        return 0
    module = model.get_submodule(architecture.path(tap.module, 0))
    return module.get_parameter("weight").shape[0] if isinstance(module, Conv1D) else _count_columns(module)


def _count_columns(module: nn.Module) -> int:
    return module.get_parameter("weight").shape[1]
