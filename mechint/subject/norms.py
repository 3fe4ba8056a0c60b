"""Norms, recognised by what they compute: LayerNorm and RMSNorm of any family, whatever their modules are called.

At one position a norm multiplies what it reads, less its mean where it takes that off, with one number, its scale; then
with a gain for each channel, and adds a bias. With its scale held it is linear.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mechint.subject.subject import Subject
from mechint.subject.taps import hold

__all__ = ["Call", "Norm", "close", "find_norm", "fitting", "possible_norms", "recording_calls", "trial_tokens", "wide"]

_EXAMPLES, _POSITIONS = 2, 6
_TOLERANCE = 1e-3
"""Of what is tried, relative to its largest value; narrow types get their own rounding on top."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Norm:
    """A norm, but for its scale."""

    gain: Tensor
    """``[d]``, what it multiplies each channel with."""
    bias: Tensor
    """``[d]``, what it adds."""
    centred: bool
    """Whether it takes off the mean over the channels, as LayerNorm does and RMSNorm does not."""

    def enter(self, added: Tensor) -> Tensor:
        """What it gives of vectors ``[… d]`` added to what it reads, where its scale is 1, without its bias."""
        return self.gain * (added - added.mean(-1, keepdim=True) if self.centred else added)

    def scale(self, given: Tensor, output: Tensor) -> Tensor:
        """The scale ``[…]`` at positions whose ``[… d]`` it made into its output; 0 where it read nothing but zeros."""
        entered = self.enter(given)
        size = entered.square().sum(-1)
        scale: Tensor = ((output - self.bias) * entered).sum(-1) / size
        return scale.where(size > 0, 0)

    def apply(self, given: Tensor, scale: Tensor) -> Tensor:
        """What it gives of ``[… d]`` with the scale ``[…]``."""
        return scale.unsqueeze(-1) * self.enter(given) + self.bias


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """A module without parts that returned as much as it read."""

    module: nn.Module
    given: Tensor
    output: Tensor


@contextmanager
def recording_calls(subject: Subject) -> Iterator[list[Call]]:
    """Keep such calls of the model's modules in the forward passes in the block, in their order."""
    calls: list[Call] = []

    def keep(module: nn.Module, arguments: tuple[object, ...], output: object) -> None:
        given = arguments[0] if arguments else None
        if isinstance(given, Tensor) and isinstance(output, Tensor) and given.shape == output.shape:
            calls.append(Call(module=module, given=given, output=output))

    with ExitStack() as stack:
        for module in subject.model.modules():
            if not list(module.children()):
                hold(stack, module.register_forward_hook(keep))
        yield calls


def find_norm(call: Call, dtype: torch.dtype) -> Norm | None:
    """The norm that the module computed in a model of a dtype; None where it is none, or gave back what it read."""
    if torch.equal(call.given, call.output):
        return None
    return fitting(possible_norms(call), wide(call.given), wide(call.output), dtype)


def fitting(norms: Iterable[Norm], given: Tensor, output: Tensor, dtype: torch.dtype) -> Norm | None:
    """Of some norms the one that comes closest to an output ``[… d]``; None where none gives it but for rounding."""
    tried = [(norm.apply(given, norm.scale(given, output)), norm) for norm in norms]
    found, norm = min(tried, key=lambda pair: float((pair[0] - output).abs().max()), default=(given, None))
    return norm if norm is not None and close(found, output, dtype) else None


def possible_norms(call: Call) -> Iterator[Norm]:
    """What the module may be if it is a norm, by its weights: as they are, or beside 1; with the mean or without."""
    weight, bias = (getattr(call.module, name, None) for name in ("weight", "bias"))
    like = wide(call.output).flatten(0, -2)[0]
    if not all(value is None or getattr(value, "shape", None) == like.shape for value in (weight, bias)):
        return
    shift = torch.zeros_like(like) if bias is None else wide(bias)
    for gain in (torch.ones_like(like),) if weight is None else (wide(weight), 1 + wide(weight)):
        for centred in (False, True):
            yield Norm(gain=gain, bias=shift, centred=centred)


def trial_tokens(subject: Subject) -> Tensor:
    """A few tokens ``[b p]`` to try a model on, always the same."""
    positions = min(_POSITIONS, subject.shape.context)
    generator = torch.Generator().manual_seed(0)
    return torch.randint(subject.shape.n_vocab, (_EXAMPLES, positions), generator=generator)


def close(found: Tensor, expected: Tensor, dtype: torch.dtype) -> bool:
    """Whether two tensors are equal but for the rounding of a type."""
    tolerance = _TOLERANCE + 8 * torch.finfo(dtype).eps
    return bool((found - expected).abs().max() <= tolerance * expected.abs().max())


def wide(tensor: Tensor) -> Tensor:
    """The tensor in float32 at least."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
