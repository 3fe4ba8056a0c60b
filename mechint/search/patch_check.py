"""How far estimated effects are from exact ones, as tables of a report."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mechint.results.values import TitledTable

__all__ = ["compare", "rank_correlation"]

_LISTED = 10


def compare(names: Sequence[str], estimated: Tensor, exact: Tensor, *, of: int, quantity: str) -> list[TitledTable]:
    """The agreement of mean effects ``[s]`` at a sample of ``of`` places, and the places where they part most."""
    there = ~(estimated.isnan() | exact.isnan())
    estimated, exact = estimated[there].double(), exact[there].double()
    kept = [name for name, has in zip(names, there.tolist(), strict=True) if has]
    apart = (estimated - exact).abs()
    correlation = rank_correlation(estimated, exact)
    facts = (
        ("rank correlation (Spearman)", "none: all alike" if correlation is None else f"{correlation:.3f}"),
        ("mean distance", f"{float(apart.mean()):.3f}"),
        ("largest distance", f"{float(apart.max()):.3f}"),
        ("mean exact effect, without its sign", f"{float(exact.abs().mean()):.3f}"),
    )
    order = apart.argsort(descending=True, stable=True)[:_LISTED].tolist()
    rows = tuple((kept[at], f"{float(estimated[at]):.3f}", f"{float(exact[at]):.3f}") for at in order)
    return [
        TitledTable(
            title="How good the approximation is",
            note=f"At {len(kept)} of {of} places, which were patched as well; distances in: {quantity}.",
            header=("", "value"),
            rows=facts,
        ),
        TitledTable(
            title="Where estimated and exact effects part most",
            note=f"Of the places that were patched as well: {quantity}.",
            header=("place", "estimated", "exact"),
            rows=rows,
        ),
    ]


def rank_correlation(one: Tensor, other: Tensor) -> float | None:
    """Spearman's, of two vectors; None where all values of one are alike."""
    from scipy.stats import spearmanr

    if len(one) < 2 or bool((one == one[0]).all()) or bool((other == other[0]).all()):
        return None
    return float(spearmanr(one.cpu().numpy(), other.cpu().numpy()).statistic)
