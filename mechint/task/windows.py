"""Windows of a long row of token ids: next-token examples that share no token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from mechint.errors import DataError
from mechint.spec.options import OptionsModel

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mechint.subject.subject import Shape
    from mechint.task.examples import Examples

    Ids = npt.NDArray[np.integer[Any]]

__all__ = ["Counts", "draw_windows", "fit_window", "split_ids"]


class Counts(OptionsModel):
    """How many windows."""

    train: Annotated[int, Field(ge=2)] = 512
    """Search examples."""
    validation: Annotated[int, Field(ge=2)] = 128
    """Held-out examples; faithfulness is measured on these alone."""


def fit_window(asked: int | None, default: int, shape: Shape) -> int:
    """Tokens in a window: as asked, else the default or as many as the model sees."""
    window = asked or min(default, shape.context)
    if window > shape.context:
        raise DataError(f"task.window is {window}, but the model sees at most {shape.context} tokens")
    return window


def split_ids(ids: Ids, window: int) -> tuple[Ids, Ids]:
    """The first nine tenths of the windows, to search on, and the rest, to hold out."""
    cut = len(ids) * 9 // 10 // window * window
    return ids[:cut], ids[cut:]


def draw_windows(ids: Ids, count: int, window: int, seed: int, shape: Shape, part: str) -> Examples:
    """Take ``count`` of the windows that lie end to end in ``ids``: tokens and targets ``[count window]``.

    The targets are the tokens that follow, so the last one is the first token of the next window. ``part`` is the key
    under ``task.examples`` that states the count.
    """
    import numpy as np
    import torch

    from mechint.task.examples import Examples

    available = max((len(ids) - 1) // window, 0)
    if available < count:
        raise DataError(
            f"task.examples.{part} asks for {count} windows of {window} tokens; the data has {available}\n"
            f"  hint: ask for fewer, or set a smaller task.window"
        )
    order = torch.randperm(available, generator=torch.Generator().manual_seed(seed))[:count]
    starts = order.numpy()[:, None] * window
    rows = ids[starts + np.arange(window + 1)].astype(np.int64)  # [count window + 1]
    largest = int(rows.max())
    if largest >= shape.n_vocab:
        raise DataError(
            f"the data holds token id {largest}, but the model's vocabulary has {shape.n_vocab} ids\n"
            f"  hint: data and checkpoint must have been made with the same tokenizer"
        )
    tokens = torch.from_numpy(rows)
    return Examples(tokens=tokens[:, :-1].contiguous(), targets=tokens[:, 1:].contiguous())
