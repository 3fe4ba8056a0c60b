"""How much memory an analysis of a model takes, from what one backward pass holds."""

from __future__ import annotations

import torch
from torch import Tensor

from mechint.subject.architecture import EMBED
from mechint.subject.intervene import edited
from mechint.subject.subject import Subject

__all__ = ["held_per_token", "weight_bytes"]

_POSITIONS = 16


def weight_bytes(subject: Subject) -> int:
    """Bytes of the weights; tied ones count once."""
    return sum(weight.untyped_storage().nbytes() for weight in subject.model.parameters())


def held_per_token(subject: Subject) -> int:
    """Bytes that a search holds for each token between its forward and its backward pass.

    Counted in the weights' dtype on a short input: the tensors that autograd saves, each storage once and the weights
    left out. Attention patterns, where a model keeps them, grow with the square of the length and make it more.
    """
    weights = {weight.untyped_storage().data_ptr() for weight in subject.model.parameters()}
    held: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    positions = min(_POSITIONS, subject.shape.context)
    tokens = torch.zeros(1, positions, dtype=torch.long)
    leaf = {EMBED: lambda activation: activation.detach().requires_grad_()}
    # The graph keeps every counted tensor alive, so no storage is counted under a reused address.
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor), edited(subject, leaf):
        loss = torch.nn.functional.cross_entropy(
            subject.logits(tokens).flatten(0, 1), tokens.flatten().to(subject.device)
        )
    assert loss.requires_grad
    return sum(held.values()) // positions
