"""The direct path: from what an MLP adds to the residual stream to the logits, past all later layers.

What is added to the stream reaches the logits through the last norm and the unembedding. With the norm's scale held at
what it is at a position that is linear: an added vector ``x`` moves the logits by ``scale * W_U (gain * x)``, with the
mean of ``x`` taken off first where the norm does so. The path is tried on the model, not believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mechint.circuit.space import Site
from mechint.codes import Code
from mechint.errors import CheckpointError
from mechint.subject.intervene import Edit, edited
from mechint.subject.readout import Readout
from mechint.subject.subject import Subject
from mechint.subject.taps import hold

__all__ = ["DirectPath", "capture_with_readout", "find_direct_path", "output_weights"]

_EXAMPLES, _POSITIONS = 2, 6
_TOLERANCE = 1e-3
"""Of what is tried, relative to its largest value; narrow types get their own rounding on top."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DirectPath:
    """The last norm, but for its scale, and the unembedding."""

    gain: Tensor
    """``[d]``, what the norm multiplies each channel with."""
    bias: Tensor
    """``[d]``, what it adds."""
    centred: bool
    """Whether it takes off the mean over the channels, as LayerNorm does and RMSNorm does not."""
    unembedding: Tensor
    """``[v d]``."""

    def enter(self, added: Tensor) -> Tensor:
        """What the unembedding reads of vectors ``[… d]`` added to the stream, where the norm's scale is 1."""
        return self.gain * (added - added.mean(-1, keepdim=True) if self.centred else added)

    def scale(self, stream: Tensor, read: Tensor) -> Tensor:
        """The norm's scale ``[n]`` at positions whose stream ``[n d]`` it made into what the unembedding read."""
        entered = self.enter(stream)
        return ((read - self.bias) * entered).sum(-1) / entered.square().sum(-1)


@torch.no_grad()
def find_direct_path(subject: Subject) -> DirectPath:
    """The direct path of a model's neurons; CheckpointError with the reason where they have none that is linear."""
    _refuse_bent(subject)
    layers = range(subject.shape.n_layer)
    generator = torch.Generator().manual_seed(0)
    positions = min(_POSITIONS, subject.shape.context)
    tokens = torch.randint(subject.shape.n_vocab, (_EXAMPLES, positions), generator=generator)
    last = Site(layers[-1], "resid_post")
    sites = [last, *(Site(layer, kind) for layer in layers for kind in ("mlp_post", "mlp_out"))]
    units = dict.fromkeys(sites, slice(None))
    with ExitStack() as stack:
        calls = _record_calls(subject, stack)
        seen, readout = capture_with_readout(subject, units, tokens, None, torch.ones_like(tokens, dtype=torch.bool))
    _refuse_norms_after_mlps(subject, seen)
    stream, read = _wide(seen[last].flatten(0, 1)), _wide(readout.last)  # [n d]
    assert readout.unembed is not None, "a model without a known unembedding is refused"
    unembedding = _wide(readout.unembed.get_parameter("weight"))
    for path in _candidates(calls, stream, read, unembedding):
        if _close(path.scale(stream, read).unsqueeze(1) * path.enter(stream) + path.bias, read, subject.dtype):
            return path
    raise CheckpointError(
        "what lies between the last layer and the unembedding is no norm that is known", code=Code.ARCHITECTURE
    )


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
        return _wide(module.weight.T)
    from transformers.pytorch_utils import Conv1D

    if tap.side == "in" and isinstance(module, Conv1D):
        return _wide(module.weight)
    raise CheckpointError(
        f"the neurons of {subject.architecture.name} are not what one linear map reads", code=Code.ARCHITECTURE
    )


def _refuse_bent(subject: Subject) -> None:
    unembedding = subject.unembedding
    if subject.architecture.post_norm:
        raise CheckpointError("later layers normalise the residual stream itself", code=Code.ARCHITECTURE)
    if missing := [kind for kind in ("mlp_out", "resid_post") if kind not in subject.architecture.sites]:
        raise CheckpointError(f"{subject.architecture.name} has no site {missing[0]}", code=Code.ARCHITECTURE)
    if unembedding is None or not isinstance(subject.module(unembedding.path), nn.Linear):
        raise CheckpointError("the model's unembedding is not known", code=Code.ARCHITECTURE)
    if not unembedding.last:
        raise CheckpointError("the model changes its logits after the unembedding", code=Code.ARCHITECTURE)


def _refuse_norms_after_mlps(subject: Subject, seen: Mapping[Site, Tensor]) -> None:
    for layer in range(subject.shape.n_layer):
        neurons, out = (_wide(seen[Site(layer, kind)]) for kind in ("mlp_post", "mlp_out"))
        added = neurons @ output_weights(subject, layer)
        bias = getattr(subject.module(subject.architecture.tap(Site(layer, "mlp_post")).module), "bias", None)
        if not _close(added if bias is None else added + bias, out, subject.dtype):
            raise CheckpointError(
                f"what the MLP of layer {layer} gives is normalised before it is added", code=Code.ARCHITECTURE
            )


_Call = tuple[nn.Module, Tensor, Tensor]
"""A module with what it read and what it returned."""


def _record_calls(subject: Subject, stack: ExitStack) -> list[_Call]:
    """The calls of modules that have no parts and return as much as they read; filled as the model runs."""
    calls: list[_Call] = []

    def keep(module: nn.Module, arguments: tuple[object, ...], output: object) -> None:
        given = arguments[0] if arguments else None
        if isinstance(given, Tensor) and isinstance(output, Tensor) and given.shape == output.shape:
            calls.append((module, given, output))

    for module in subject.model.modules():
        if not list(module.children()):
            hold(stack, module.register_forward_hook(keep))
    return calls


def _candidates(calls: Sequence[_Call], stream: Tensor, read: Tensor, unembedding: Tensor) -> Iterator[DirectPath]:
    """What the last norm may be: none, or what each module that made ``read`` ``[n d]`` of the stream may compute."""
    one, zero = torch.ones_like(read[0]), torch.zeros_like(read[0])
    if torch.equal(stream, read):
        yield DirectPath(gain=one, bias=zero, centred=False, unembedding=unembedding)
    for module, given, output in calls:
        if not (_holds(given, stream) and _holds(output, read)):
            continue
        weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
        shift = zero if bias is None else _wide(bias)
        for gain in (one,) if weight is None else (_wide(weight), 1 + _wide(weight)):
            for centred in (False, True):
                yield DirectPath(gain=gain, bias=shift, centred=centred, unembedding=unembedding)


def _holds(value: Tensor, rows: Tensor) -> bool:
    """Whether a value ``[… d]`` is just these rows ``[n d]``."""
    return value.numel() == rows.numel() and torch.equal(_wide(value.reshape(rows.shape)), rows)


def _close(found: Tensor, expected: Tensor, dtype: torch.dtype) -> bool:
    """Whether two tensors are equal but for the rounding of a type."""
    tolerance = _TOLERANCE + 8 * torch.finfo(dtype).eps
    return bool((found - expected).abs().max() <= tolerance * expected.abs().max())


def _wide(tensor: Tensor) -> Tensor:
    """The tensor in float32 at least."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
