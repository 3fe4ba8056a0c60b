"""Hooks that read and replace a site's value, whatever module it lies in and however it lies there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mechint.circuit.space import Site
from mechint.subject.architecture import Tap
from mechint.subject.subject import Subject

__all__ = ["Edit", "attach", "first_input", "hold", "with_first_input"]

Edit = Callable[[Tensor], Tensor]
"""Takes a site's activation ``[b p u]`` and returns what the model goes on with, of the same shape."""


def attach(subject: Subject, site: Site, edit: Edit, stack: ExitStack) -> None:
    """Hook an edit into the model; the stack takes all hooks off again."""
    tap = subject.architecture.tap(site)
    window = _Window(subject=subject, site=site, tap=tap)
    module = subject.module(tap.module)
    if tap.flat:
        hold(stack, subject.block(site.layer).register_forward_pre_hook(window.remember_batch, with_kwargs=True))
    if tap.side == "out":
        hold(stack, module.register_forward_hook(lambda _module, _inputs, output: window.edit_output(output, edit)))
    else:
        hold(
            stack,
            module.register_forward_pre_hook(
                lambda _module, args, kwargs: window.edit_input(args, kwargs, edit), with_kwargs=True
            ),
        )
    if tap.carried:
        _carry(subject, site, module, stack)


def hold(stack: ExitStack, handle: torch.utils.hooks.RemovableHandle) -> None:
    """Take the hook off when the stack is left."""
    stack.callback(handle.remove)


def with_first_input(args: tuple[Any, ...], kwargs: dict[str, Any], tensor: Tensor) -> tuple[Any, dict[str, Any]]:
    """What a module is called with, and a tensor in the place of its first input."""
    return ((tensor, *args[1:]), kwargs) if args else (args, {**kwargs, _FIRST: tensor})


def first_input(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """What a module reads."""
    tensor = args[0] if args else kwargs[_FIRST]
    assert isinstance(tensor, Tensor)
    return tensor


@dataclass(slots=True, kw_only=True, eq=False)
class _Window:
    """How a site's units ``[b p u]`` lie in the tensor that a module takes or gives."""

    subject: Subject
    site: Site
    tap: Tap
    batch: tuple[int, int] | None = None
    """Of the running pass: examples and positions."""

    def remember_batch(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        examples, positions, _ = first_input(args, kwargs).shape
        self.batch = (examples, positions)

    def edit_output(self, output: Any, edit: Edit) -> Any:
        tensor = output[0] if isinstance(output, tuple) else output
        replaced = self._apply(tensor, edit)
        if replaced is tensor:
            return None
        return (replaced, *output[1:]) if isinstance(output, tuple) else replaced

    def edit_input(self, args: tuple[Any, ...], kwargs: dict[str, Any], edit: Edit) -> Any:
        tensor = first_input(args, kwargs)
        replaced = self._apply(tensor, edit)
        if replaced is tensor:
            return None
        return with_first_input(args, kwargs, replaced)

    def _apply(self, tensor: Tensor, edit: Edit) -> Tensor:
        """The tensor with the site's part edited; the very tensor where the edit gives back what it got."""
        value = self._get(tensor)
        replaced = edit(value)
        if replaced is value:
            return tensor
        if replaced.shape != value.shape:
            raise ValueError(f"an edit of {self.site} turned {list(value.shape)} into {list(replaced.shape)}")
        return self._put(tensor, replaced.to(tensor.dtype))

    def _get(self, tensor: Tensor) -> Tensor:
        if self.tap.flat:
            assert self.batch is not None
            unflattened: Tensor = tensor.unflatten(0, self.batch)
            return unflattened
        if self.tap.fused == "concatenated":
            concatenated: tuple[Tensor, ...] = tensor.split(self._widths(), dim=-1)
            return concatenated[self._part]
        if self.tap.fused == "interleaved":
            return self._by_head(tensor)[..., self._part, :].flatten(-2)  # [b p h*k]
        return tensor

    def _put(self, tensor: Tensor, value: Tensor) -> Tensor:
        if self.tap.flat:
            return value.flatten(0, 1)
        if self.tap.fused == "concatenated":
            parts = list(tensor.split(self._widths(), dim=-1))
            parts[self._part] = value
            return torch.cat(parts, dim=-1)
        if self.tap.fused == "interleaved":
            parts = list(self._by_head(tensor).unbind(-2))  # three of [b p h k]
            parts[self._part] = value.unflatten(-1, parts[0].shape[-2:])
            return torch.stack(parts, dim=-2).flatten(-3)
        return value

    @property
    def _part(self) -> int:
        return "qkv".index(self.site.kind)

    def _widths(self) -> list[int]:
        return [self.subject.units(Site(self.site.layer, kind)).count for kind in "qkv"]

    def _by_head(self, tensor: Tensor) -> Tensor:
        shape = self.subject.shape
        by_head: Tensor = tensor.unflatten(-1, (shape.n_head, 3, shape.d_head))  # [b p h 3 k]
        return by_head


_FIRST = "hidden_states"
"""What a module of transformers calls its first input when it is passed by name."""


def _carry(subject: Subject, site: Site, reader: nn.Module, stack: ExitStack) -> None:
    """Make the block give (what ``reader`` reads) + (what the MLP adds), both after every edit of the pass.

    The two are read by hooks that are put on when the block starts, so that they run after all others; the block's own
    result is replaced before any edit of ``resid_post``.
    """
    branch_tap = subject.architecture.tap(Site(site.layer, "mlp_out"))
    branch, block = subject.module(branch_tap.module), subject.block(site.layer)
    seen: dict[str, Tensor] = {}
    late = ExitStack()

    def start(_module: nn.Module, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> None:
        late.close()
        hold(late, reader.register_forward_pre_hook(read_stream, with_kwargs=True))
        hold(late, branch.register_forward_hook(read_branch))

    def read_stream(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen["stream"] = first_input(args, kwargs)

    def read_branch(_module: nn.Module, _inputs: Any, output: Any) -> None:
        seen["branch"] = output[0] if isinstance(output, tuple) else output

    def finish(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        late.close()
        hidden = output[0] if isinstance(output, tuple) else output
        carried = (seen.pop("stream") + seen.pop("branch")).view_as(hidden)
        return (carried, *output[1:]) if isinstance(output, tuple) else carried

    stack.callback(late.close)
    hold(stack, block.register_forward_pre_hook(start, with_kwargs=True))
    hold(stack, block.register_forward_hook(finish, prepend=True))
