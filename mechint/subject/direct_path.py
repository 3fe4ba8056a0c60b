"""The direct path: from what an MLP adds to the residual stream to the logits, past all later layers.

What is added to the stream reaches the logits through the last norm and the unembedding. With the norm's scale held at
what it is at a position that is linear: an added vector ``x`` moves the logits by ``scale * W_U (gain * x)``, with the
mean of ``x`` taken off first where the norm does so. The path is tried on the model, not believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mechint.circuit.space import Site
from mechint.codes import Code
from mechint.errors import CheckpointError
from mechint.subject.intervene import Edit, edited
from mechint.subject.norms import Call, Norm, close, fitting, possible_norms, recording_calls, trial_tokens, wide
from mechint.subject.readout import Readout
from mechint.subject.subject import Subject
from mechint.subject.taps import hold

__all__ = ["DirectPath", "capture_with_readout", "find_direct_path", "find_last_path", "output_weights", "unembedded"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DirectPath:
    """The last norm, but for its scale, and the unembedding."""

    norm: Norm
    unembedding: Tensor
    """``[v d]``."""
    bias: Tensor
    """``[v]``, what the unembedding adds; zero in most models."""


@torch.no_grad()
def find_direct_path(subject: Subject) -> DirectPath:
    """The direct path of a model's neurons; CheckpointError with the reason where they have none that is linear."""
    if subject.unembedding is not None and not subject.unembedding.last:
        raise CheckpointError("the model changes its logits after the unembedding", code=Code.ARCHITECTURE)
    path = find_last_path(subject)
    layers = range(subject.shape.n_layer)
    sites = [Site(layer, kind) for layer in layers for kind in ("mlp_post", "mlp_out")]
    tokens = trial_tokens(subject)
    nowhere = torch.zeros_like(tokens, dtype=torch.bool)
    seen, _ = capture_with_readout(subject, dict.fromkeys(sites, slice(None)), tokens, None, nowhere)
    _refuse_norms_after_mlps(subject, seen)
    return path


@torch.no_grad()
def find_last_path(subject: Subject) -> DirectPath:
    """The path of what whole layers add to the stream, to what the unembedding gives, before any cap on that.

    Raises CheckpointError with the reason where it is not linear but for the norm's scale.
    """
    module = _find_unembedding(subject)
    tokens, last = trial_tokens(subject), Site(subject.shape.n_layer - 1, "resid_post")
    with recording_calls(subject) as calls, unembedded(subject) as given:
        seen, _ = capture_with_readout(
            subject, {last: slice(None)}, tokens, None, torch.ones_like(tokens, dtype=torch.bool)
        )
    stream, read = wide(seen[last].flatten(0, 1)), wide(given[0].flatten(0, 1))  # [n d]
    weight, bias = wide(module.weight), module.bias
    norm = fitting(_candidates(calls, stream, read), stream, read, subject.dtype)
    if norm is None:
        raise CheckpointError(
            "what lies between the last layer and the unembedding is no norm that is known", code=Code.ARCHITECTURE
        )
    return DirectPath(
        norm=norm, unembedding=weight, bias=torch.zeros_like(weight[:, 0]) if bias is None else wide(bias)
    )


@contextmanager
def unembedded(subject: Subject) -> Iterator[list[Tensor]]:
    """Keep what the unembedding is given ``[b p d]`` in every forward pass in the block, at all positions."""
    given: list[Tensor] = []

    def keep(_module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        given.append(arguments[0])

    with ExitStack() as stack:
        hold(stack, _find_unembedding(subject).register_forward_pre_hook(keep))
        yield given


@torch.no_grad()
def capture_with_readout(
    subject: Subject, units: Mapping[Site, Sequence[int] | slice], tokens: Tensor, mask: Tensor | None, where: Tensor
) -> tuple[dict[Site, Tensor], Readout]:
    """Run the model on tokens ``[b p]``: the units' activations ``[b p u]``, and what it predicts at ``where``."""
    seen: dict[Site, Tensor] = {}

    def keep(site: Site) -> Edit:
        def read(activation: Tensor) -> Tensor:
            seen[site] = activation[..., units[site]]
            return activation

        return read

    with edited(subject, {site: keep(site) for site in units}):
        readout = subject.readout(tokens, mask, where)
    return seen, readout


def output_weights(subject: Subject, layer: int) -> Tensor:
    """What each neuron of a layer adds to the MLP's output when it is 1: ``[f d]``, in float32 at least.

    Raises CheckpointError where the neurons are not what one linear map reads.
    """
    tap = subject.architecture.tap(Site(layer, "mlp_post"))
    module = subject.module(tap.module)
    if tap.side == "in" and isinstance(module, nn.Linear):
        return wide(module.weight.T)
    from transformers.pytorch_utils import Conv1D

    if tap.side == "in" and isinstance(module, Conv1D):
        return wide(module.weight)
    raise CheckpointError(
        f"the neurons of {subject.architecture.name} are not what one linear map reads", code=Code.ARCHITECTURE
    )


def _find_unembedding(subject: Subject) -> nn.Linear:
    """The linear map that gives logits; CheckpointError where there is none, or what it reads is no sum of layers."""
    if subject.architecture.post_norm:
        raise CheckpointError("later layers normalise the residual stream itself", code=Code.ARCHITECTURE)
    if missing := [kind for kind in ("mlp_out", "resid_post") if kind not in subject.architecture.sites]:
        raise CheckpointError(f"{subject.architecture.name} has no site {missing[0]}", code=Code.ARCHITECTURE)
    module = None if subject.unembedding is None else subject.module(subject.unembedding.path)
    if not isinstance(module, nn.Linear):
        raise CheckpointError("the model's unembedding is not known", code=Code.ARCHITECTURE)
    return module


def _refuse_norms_after_mlps(subject: Subject, seen: Mapping[Site, Tensor]) -> None:
    for layer in range(subject.shape.n_layer):
        neurons, out = (wide(seen[Site(layer, kind)]) for kind in ("mlp_post", "mlp_out"))
        added = neurons @ output_weights(subject, layer)
        bias = getattr(subject.module(subject.architecture.tap(Site(layer, "mlp_post")).module), "bias", None)
        if not close(added if bias is None else added + bias, out, subject.dtype):
            raise CheckpointError(
                f"what the MLP of layer {layer} gives is normalised before it is added", code=Code.ARCHITECTURE
            )


def _candidates(calls: Sequence[Call], stream: Tensor, read: Tensor) -> Iterator[Norm]:
    """What the last norm may be: none, or what each module that made ``read`` ``[n d]`` of the stream may compute."""
    if torch.equal(stream, read):
        yield Norm(gain=torch.ones_like(read[0]), bias=torch.zeros_like(read[0]), centred=False)
    for call in calls:
        if _holds(call.given, stream) and _holds(call.output, read):
            yield from possible_norms(call)


def _holds(value: Tensor, rows: Tensor) -> bool:
    """Whether a value ``[… d]`` is just these rows ``[n d]``."""
    return value.numel() == rows.numel() and torch.equal(wide(value.reshape(rows.shape)), rows)
