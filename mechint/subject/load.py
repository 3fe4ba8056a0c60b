"""From a checkpoint's path to a frozen model with named sites."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mechint.checkpoint.checkpoint import read_checkpoint
from mechint.spec.checkpoints import Source
from mechint.subject.architecture import Architecture
from mechint.subject.gpt2 import GPT2, GPT2_KV_TIED, fit_weights, infer_config
from mechint.subject.nanogpt import GPT, shape_of
from mechint.subject.subject import Subject

__all__ = ["load_subject"]


def load_subject(source: Source | str, architectures: Sequence[Architecture] = ()) -> Subject:
    """Load a checkpoint whole, frozen and in eval mode, with the names of its activations.

    ``architectures`` are the tables for models of transformers; those of the nanoGPT family are known. Nothing in the
    file is run. Raises CheckpointError where the file is unsafe or damaged, or where a single weight is missing,
    unknown, misshapen or not finite.
    """
    if isinstance(source, str):
        source = Source.at(source)
    checkpoint = read_checkpoint(source.path)
    config = infer_config(checkpoint, source.reference.n_head)
    weights = fit_weights(checkpoint, config)
    with torch.device("meta"):
        model = GPT(config)
    model.load_state_dict(weights, strict=True, assign=True)
    if torch.equal(weights["lm_head.weight"], weights["transformer.wte.weight"]):
        model.lm_head.weight = model.get_parameter("transformer.wte.weight")
    model.requires_grad_(requires_grad=False).eval()
    return Subject(
        model=model,
        architecture=GPT2_KV_TIED if config.kv_tied else GPT2,
        shape=shape_of(config),
        name=source.name,
        sha256=checkpoint.sha256,
        step=checkpoint.step,
    )
