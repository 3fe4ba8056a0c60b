"""Windows of long rows of token ids: next-token examples that share no token."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from mechint.codes import Code
from mechint.errors import DataError
from mechint.spec.options import OptionsModel

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mechint.subject.subject import Shape
    from mechint.task.examples import Examples

    Ids = npt.NDArray[np.integer[Any]]

__all__ = [
    "Counts",
    "TokenRow",
    "Windows",
    "cut_windows",
    "draw_windows",
    "fit_window",
    "refuse_unknown_ids",
    "split_row",
]


PAD = 0
"""The token after a window that is shorter than others; no metric reads what follows it."""


class Counts(OptionsModel):
    """How many examples."""

    train: Annotated[int, Field(ge=2, le=1_000_000)] = 512
    """Search examples."""
    validation: Annotated[int, Field(ge=2, le=1_000_000)] = 128
    """Held-out examples; faithfulness is measured on these alone."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenRow:
    """Documents as ``n`` token ids, one after another."""

    ids: Ids
    """``[n]``."""
    ends: Ids
    """``[documents]``, where each document ends in the row."""
    n_bytes: Ids | None = None
    """``[n]``, bytes of text that each token stands for; None where that is not known."""

    @classmethod
    def of(cls, ids: Ids) -> TokenRow:
        """A row that is one text."""
        import numpy as np

        return cls(ids=ids, ends=np.array([len(ids)]))

    def part(self, tokens: slice) -> TokenRow:
        """Some of the tokens of a row that is one text."""
        n_bytes = None if self.n_bytes is None else self.n_bytes[tokens]
        return replace(TokenRow.of(self.ids[tokens]), n_bytes=n_bytes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Windows:
    """Pieces of a row that lie end to end in each of its documents."""

    row: TokenRow
    width: int
    """Tokens in a whole window."""
    starts: Ids
    """``[windows]``, where each begins in the row."""
    lengths: Ids
    """``[windows]``, how many of its tokens have one after them; the width but at a document's end."""
    barren: int
    """Documents that are too short for a window."""

    def __len__(self) -> int:
        return len(self.starts)


def fit_window(asked: int | None, default: int, shape: Shape) -> int:
    """Tokens in a window: as asked, else the default or as many as the model sees."""
    window = asked or min(default, shape.context)
    if window > shape.context:
        raise DataError(f"task.window is {window}, but the model sees at most {shape.context} tokens")
    return window


def split_row(row: TokenRow, window: int) -> tuple[TokenRow, TokenRow]:
    """The first nine tenths of a text's windows, to search on, and the rest, to hold out."""
    cut = len(row.ids) * 9 // 10 // window * window
    return row.part(slice(cut)), row.part(slice(cut, None))


def cut_windows(row: TokenRow, window: int, *, remainders: bool) -> Windows:
    """The windows that lie end to end in each document, and none across two of them.

    ``remainders``: whether what remains at a document's end is a shorter window, if it is half a window or more.
    """
    import numpy as np

    begins = np.concatenate([[0], row.ends[:-1]])
    targets = np.maximum(row.ends - begins - 1, 0)  # a document's last token is followed by none
    whole, rest = targets // window, targets % window
    number = whole + (rest * 2 >= window) if remainders else whole
    nth = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)  # of its document's
    starts = np.repeat(begins, number) + nth * window
    lengths = np.minimum(np.repeat(begins + targets, number) - starts, window)
    return Windows(row=row, width=window, starts=starts, lengths=lengths, barren=int((number == 0).sum()))


def draw_windows(windows: Windows, count: int, seed: int, shape: Shape, part: str) -> Examples:
    """Take ``count`` of the windows: tokens and targets ``[count window]``, padded on the right.

    The targets are the tokens that follow, so a window's last one is the first token of the next window. ``part`` is
    the key under ``task.examples`` that states the count.
    """
    import numpy as np
    import torch

    from mechint.task.examples import Examples

    _refuse_fewer(windows, count, part)
    order = torch.randperm(len(windows), generator=torch.Generator().manual_seed(seed))[:count].numpy()
    within = np.arange(windows.width)
    real = within < windows.lengths[order][:, None]  # [count window]
    at = np.where(real, windows.starts[order][:, None] + within, 0)
    row = windows.row
    tokens, targets = (np.where(real, row.ids[places].astype(np.int64), PAD) for places in (at, at + 1))
    refuse_unknown_ids(max(int(tokens.max()), int(targets.max())), shape.n_vocab, "the data")
    return Examples(
        tokens=torch.from_numpy(tokens),
        targets=torch.from_numpy(targets),
        mask=None if real.all() else torch.from_numpy(real),
        n_bytes=None if row.n_bytes is None else torch.from_numpy(np.where(real, row.n_bytes[at + 1], 0)),
    )


def refuse_unknown_ids(largest: int, n_vocab: int, place: str) -> None:
    """Raise DataError where a token id is beyond the model's vocabulary."""
    if largest >= n_vocab:
        raise DataError(
            f"{place} holds token id {largest}, but the model's vocabulary has {n_vocab} ids\n"
            f"  hint: data and checkpoint must have been made with the same tokenizer"
        )


def _refuse_fewer(windows: Windows, count: int, part: str) -> None:
    if len(windows) >= count:
        return
    documents = len(windows.row.ends)
    short = f"; {windows.barren:,} of {documents:,} documents are too short for one" if documents > 1 else ""
    raise DataError(
        f"task.examples.{part} asks for {count} windows of {windows.width} tokens; the data has {len(windows)}{short}\n"
        f"  hint: ask for fewer, or set a smaller task.window",
        code=Code.TOO_FEW,
    )
