"""How much work a computation is, in floating-point operations, counted as they are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

__all__ = ["CountedWork"]


class CountedWork(TorchDispatchMode):
    """Counts the operations of the matrix products, convolutions and attentions in its block, backward passes too.

    PyTorch's own ``FlopCounterMode`` follows modules with hooks that ``torch.autograd.grad`` does not allow.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        count = flop_registry.get(getattr(func, "overloadpacket", None))
        if count is not None:
            self.operations += int(count(*args, **kwargs, out_val=result))
        return result
