"""Rules that change gradients so that gradient times activation shares an output among what it was made of.

=============  ===================================================================================================
norms          linear, with the scale that each position has; the mean over the channels is taken off as it is
activations    ``x * (f(x) / x)``, the ratio held
gated neurons  the gradient of the product is halved, so that each factor gets one share
attention      ``constant``: where heads attend to is held, as q and k get no gradient (CP-LRP, RelP);
               ``shared``: products are shared evenly, so that v gets 1/2, and q and k 1/4, through the softmax's
               own gradient (AttnLRP, 2402.05602)
=============  ===================================================================================================

The model's own modules run, and what they give stays the same bits: only what autograd makes of them is another.
Norms, activations and gates are found by what they compute. Whether nothing else bends a model is tried: with attention
held, its output must be what its input and its biases add up to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mechint.circuit.space import Site
from mechint.errors import CheckpointError
from mechint.subject.intervene import Edit, capture, edited
from mechint.subject.norms import Call, Norm, find_norm, recording_calls, trial_tokens, wide
from mechint.subject.subject import Subject
from mechint.subject.taps import hold

__all__ = ["Attending", "Rules", "find_rules"]

Attending = Literal["constant", "shared"]

_TOLERANCE = 1e-3
"""Of the output, that may be lost between it and its input; narrow types get their own rounding on top."""
_OF_QK, _OF_V = 0.25, 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rules:
    """The modules of a model that rules change the gradients of."""

    subject: Subject
    norms: Mapping[nn.Module, Norm]
    activations: Sequence[nn.Module]
    gated: tuple[int, ...]
    """Layers whose neurons are a product."""

    @contextmanager
    def applied(self, attending: Attending) -> Iterator[None]:
        """Give every forward pass in the block the rules' gradients, and the outputs that it has without them."""
        if attending == "shared":
            _refuse_capped_attention(self.subject)
        with ExitStack() as stack:
            for module, norm in self.norms.items():
                hold(stack, module.register_forward_hook(partial(_hold_scale, norm)))
            for module in self.activations:
                hold(stack, module.register_forward_hook(_hold_ratio))
            stack.enter_context(edited(self.subject, self._edits(attending)))
            yield

    def _edits(self, attending: Attending) -> dict[Site, Edit]:
        layers = range(self.subject.shape.n_layer)
        edits: dict[Site, Edit] = {Site(layer, "mlp_post"): partial(_share, share=0.5) for layer in self.gated}
        for layer in layers:
            share = 0.0 if attending == "constant" else _OF_QK
            edits |= {Site(layer, kind): partial(_share, share=share) for kind in "qk"}
            if attending == "shared":
                edits[Site(layer, "v")] = partial(_share, share=_OF_V)
        return edits


def find_rules(subject: Subject) -> Rules:
    """The rules for a model, tried on a few tokens.

    Raises CheckpointError where something in it is none of what the rules know.
    """
    if missing := [kind for kind in ("q", "k", "v", "mlp_post", "resid_pre") if kind not in subject.architecture.sites]:
        raise CheckpointError(_refusal(subject, f"it has no site {missing[0]}"))
    layers = range(subject.shape.n_layer)
    neurons = [Site(layer, "mlp_post") for layer in layers]
    with recording_calls(subject) as calls:
        seen = capture(subject, neurons, trial_tokens(subject))
    norms = {call.module: norm for call in calls if (norm := find_norm(call, subject.dtype)) is not None}
    bent = [call for call in calls if call.module not in norms and _is_activation(call)]
    rules = Rules(
        subject=subject,
        norms=norms,
        activations=list(dict.fromkeys(call.module for call in bent)),
        gated=tuple(site.layer for site in neurons if not any(_is(call.output, seen[site]) for call in bent)),
    )
    if unknown := [module for module in rules.activations if not _vanishes(module)]:
        raise CheckpointError(_refusal(subject, f"{type(unknown[0]).__name__} is not 0 at 0"))
    _try(rules)
    return rules


class _Instead(torch.autograd.Function):
    """The first value, with the gradient of the second."""

    @staticmethod
    def forward(_context: Any, value: Tensor, _stand_in: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(_context: Any, *gradients: Any) -> Any:
        return None, gradients[0]


def _instead(value: Tensor, stand_in: Tensor) -> Tensor:
    result: Tensor = _Instead.apply(value.detach(), stand_in.to(value.dtype))  # type: ignore[no-untyped-call]
    return result


def _hold_scale(norm: Norm, _module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
    """A hook of a norm: its scale counts as a number."""
    if not output.requires_grad:
        return None
    given = wide(arguments[0])
    scale = norm.scale(given.detach(), wide(output.detach()))
    return _instead(output, norm.apply(given, scale))


def _hold_ratio(_module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
    """A hook of an activation: what it multiplies each number with counts as a number; 0 at 0."""
    if not output.requires_grad:
        return None
    given = arguments[0]
    ratio = (output / given).detach()
    return _instead(output, given * ratio.where(given != 0, 0))


def _share(activation: Tensor, *, share: float) -> Tensor:
    """The activation, which passes on a share of its gradient."""
    if not activation.requires_grad:
        return activation
    return activation.detach() if share == 0 else _instead(activation, share * activation)


def _is_activation(call: Call) -> bool:
    return next(call.module.parameters(), None) is None and not _is(call.given, call.output)


def _is(one: Tensor, other: Tensor) -> bool:
    """Whether two values are the same numbers, however they lie."""
    return one.numel() == other.numel() and torch.equal(one.flatten(), other.flatten())


@torch.no_grad()
def _vanishes(module: nn.Module) -> bool:
    return not module(torch.zeros(1)).any()


def _try(rules: Rules) -> None:
    """Refuse a model whose output, with attention held, is not what its input and its biases add up to."""
    subject = rules.subject
    with torch.enable_grad(), rules.applied("constant"), _adding_biases(rules) as added:
        begun: list[Tensor] = []

        def begin(stream: Tensor) -> Tensor:
            begun.append(stream.detach().requires_grad_())
            return begun[0]

        with edited(subject, {Site(0, "resid_pre"): begin}), _output(subject) as outputs:
            subject.logits(trial_tokens(subject))
        output = wide(outputs[-1])
        values = [begun[0], *(value for value, _ in added)]
        gradients = torch.autograd.grad(output, values, output.detach(), allow_unused=True)
    shares = zip([begun[0].detach(), *(bias for _, bias in added)], gradients, strict=True)
    total = sum(float((gradient * share).double().sum()) for share, gradient in shares if gradient is not None)
    whole = float(output.detach().double().square().sum())
    if not abs(total - whole) <= (_TOLERANCE + 8 * torch.finfo(subject.dtype).eps) * whole:
        lost = f"of an output of 1 its input and its biases give {total / whole:.3f}"
        raise CheckpointError(_refusal(subject, f"something in it is none of what they know: {lost}"))


@contextmanager
def _adding_biases(rules: Rules) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Collect what each module with a bias gives in the forward pass in the block, with that bias.

    Of a norm what the rules make of it; of others what they give before q and k are cut off.
    """
    found: list[tuple[Tensor, Tensor]] = []

    def keep(module: nn.Module, _arguments: object, output: Tensor) -> Tensor | None:
        if not output.requires_grad:
            return None
        found.append((output.clone(), module.get_parameter("bias")))
        return found[-1][0]

    with ExitStack() as stack:
        for module in rules.subject.model.modules():
            if isinstance(getattr(module, "bias", None), nn.Parameter):
                hold(stack, module.register_forward_hook(keep, prepend=module not in rules.norms))
        yield found


@contextmanager
def _output(subject: Subject) -> Iterator[list[Tensor]]:
    """Collect what the unembedding gives, or where it is not known the model, in the forward pass in the block."""
    found: list[Tensor] = []

    def keep(_module: nn.Module, _arguments: object, output: Any) -> None:
        found.append(output if isinstance(output, Tensor) else output.logits)

    module = subject.model if subject.unembedding is None else subject.module(subject.unembedding.path)
    with ExitStack() as stack:
        hold(stack, module.register_forward_hook(keep))
        yield found


def _refuse_capped_attention(subject: Subject) -> None:
    config = getattr(subject.model, "config", None)
    if getattr(config, "attn_logit_softcapping", None) is not None:
        raise CheckpointError(
            _refusal(subject, "its attention caps its scores, and attn_lrp has no rule for that")
            + "\n  hint: cp_lrp, which holds attention"
        )


def _refusal(subject: Subject, why: str) -> str:
    return f"the rules of relevance do not fit {subject.name} ({subject.architecture.name}): {why}"
