"""How large a model a config describes, held against the weights that there are.

A library that loads weights fills what is missing with random numbers first and reports it afterwards, so a config of
a few bytes could ask for all memory.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch

from mechint.checkpoint.checkpoint import Checkpoint
from mechint.codes import Code
from mechint.errors import CheckpointError, first_line

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

__all__ = ["refuse_oversized"]

_ALLOWED = 4
"""Times what the files hold: the rest of a model that lacks less is listed by name."""
_SMALL = 10_000_000
"""Values that no machine minds."""


def refuse_oversized(kind: type[PreTrainedModel], config: PretrainedConfig, checkpoint: Checkpoint) -> None:
    """Raise CheckpointError where the model of a config would be far larger than the checkpoint.

    The model is built without memory for its weights.
    """
    build: Any = kind
    try:
        with torch.device("meta"):
            skeleton = build(copy.deepcopy(config))
    # A model is built by code of each family, which raises what it likes.
    except Exception as error:
        raise CheckpointError(
            f"{checkpoint.path}: transformers cannot build the {kind.__name__} of its config: {first_line(error, 300)}",
            code=Code.MISFIT,
        ) from None
    claimed = sum(tensor.numel() for tensor in (*skeleton.parameters(), *skeleton.buffers()))
    held = sum(weight.numel() for weight in checkpoint.weights.values())
    if claimed > _ALLOWED * held + _SMALL:
        raise CheckpointError(
            f"{checkpoint.path}: its config describes a {kind.__name__} of {claimed:,} values, and its weights are "
            f"{held:,}; put the config that belongs to them beside them",
            code=Code.MISFIT,
        )
