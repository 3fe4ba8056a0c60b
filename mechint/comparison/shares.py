"""Shares of units that two entries keep, and whether they differ by more than chance.

The test is Fisher's over units. Two things make units less than independent draws, and each can only raise p:

* Heads tend to be kept or dropped as a whole. How much more the counts of a site's heads differ than independent
  channels would is taken off the evidence: the F test of a binomial model with overdispersion (Williams 1982).
* Searches with other seeds keep other units. Where an entry has several seeds, Student's test between seeds must hold
  too.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f, fisher_exact, t

from mechint.comparison.entries import Loaded
from mechint.comparison.values import Difference, Entry, EntrySite, Third

__all__ = ["share_differences"]

THIRDS: tuple[Third, ...] = ("early", "middle", "late")


def share_differences(entry: Entry, base: Entry, ours: Loaded, theirs: Loaded) -> Iterator[Difference]:
    """The shares kept of all units, and of each kind in each third of the layers that both models have."""
    excess = _excess(ours, theirs)
    mine, others = ({site.kind for site in one.sites} for one in (entry, base))
    yield _difference(entry, base, ours, theirs, excess, "", None)
    for kind in dict.fromkeys(site.kind for site in entry.sites):
        for third in THIRDS if kind in mine & others else ():
            if all(any(_inside(site, kind, third) for site in one.sites) for one in (entry, base)):
                yield _difference(entry, base, ours, theirs, excess, kind, third)


def _difference(
    entry: Entry,
    base: Entry,
    ours: Loaded,
    theirs: Loaded,
    excess: tuple[float, int],
    kind: str,
    third: Third | None,
) -> Difference:
    (mine, units), (others, base_units) = (
        _counts(one, loaded, kind, third) for one, loaded in ((entry, ours), (base, theirs))
    )
    share, base_share = statistics.fmean(mine) / units, statistics.fmean(others) / base_units
    table = np.array([[round(statistics.fmean(mine)), units], [round(statistics.fmean(others)), base_units]])
    table[:, 1] -= table[:, 0]  # dropped
    p = max(
        float(fisher_exact(table).pvalue),
        _overdispersed(table, *excess),
        _between_seeds([count / units for count in mine], [count / base_units for count in others]),
    )
    seeds = ", and Student's between seeds" if len(mine) + len(others) > 2 else ""
    test = f"Fisher's exact over {units:,} and {base_units:,} {entry.units}, allowing for heads kept as a whole{seeds}"
    if math.isnan(excess[0]):
        test = test.replace(", allowing for heads kept as a whole", "")
    return Difference(
        entry=entry.name,
        base=base.name,
        quantity="kept",
        units=entry.units,
        kind=kind,
        third=third,
        value=share,
        base_value=base_share,
        delta=share - base_share,
        test=test,
        p=min(p, 1.0),
    )


def _inside(site: EntrySite, kind: str, third: Third | None) -> bool:
    return (not kind or site.kind == kind) and (third is None or site.third == third)


def _counts(entry: Entry, loaded: Loaded, kind: str, third: Third | None) -> tuple[list[int], int]:
    """Units kept by each seed, and of how many."""
    names = {site.site for site in entry.sites if _inside(site, kind, third)}
    counts = [
        sum(int(circuit.kept[place].sum()) for site, place in circuit.space.places.items() if str(site) in names)
        for circuit in loaded.circuits
    ]
    return counts, sum(site.units for site in entry.sites if site.site in names)


def _excess(ours: Loaded, theirs: Loaded) -> tuple[float, int]:
    """How many times as much the counts of heads vary within sites as those of independent units, and from how many.

    NaN where no site has several heads of several units.
    """
    found, degrees = 0.0, 0
    for loaded in (ours, theirs):
        circuit = loaded.circuits[0]
        for units in circuit.space.sites:
            if units.heads > 1 and units.width > 1:
                kept = circuit.kept[circuit.space.places[units.site]].reshape(units.heads, units.width)
                found, degrees = _add(kept, found, degrees)
    return (found / degrees, degrees) if degrees else (math.nan, 0)


def _add(kept: NDArray[np.bool_], found: float, degrees: int) -> tuple[float, int]:
    """Pearson's chi-squared of a site's heads ``[h w]`` and its degrees of freedom, added to those of other sites."""
    heads, width = kept.shape
    share = float(kept.mean())
    if not 0 < share < 1:
        return found, degrees
    squares = float(((kept.sum(1) - width * share) ** 2).sum())
    return found + squares / (width * share * (1 - share)), degrees + heads - 1


def _overdispersed(table: NDArray[np.int_], excess: float, degrees: int) -> float:
    """The F test's p of a table of kept and dropped units by entry; 0 where units are no more than independent."""
    if not excess > 1:
        return 0.0
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    if (expected == 0).any():
        return 1.0
    chi_squared = float(((table - expected) ** 2 / expected).sum())
    return float(f.sf(chi_squared / excess, 1, degrees))


def _between_seeds(mine: Sequence[float], others: Sequence[float]) -> float:
    """Student's p between the seeds of two entries, of which one may have a single seed; 0 where both have."""
    degrees = len(mine) + len(others) - 2
    if degrees == 0:
        return 0.0
    apart = statistics.fmean(mine) - statistics.fmean(others)
    squares = sum(len(seen) * statistics.pvariance(seen) for seen in (mine, others))
    error = math.sqrt(squares / degrees * (1 / len(mine) + 1 / len(others)))
    if error == 0:
        return 1.0 if apart == 0 else 0.0
    return float(2 * t.sf(abs(apart) / error, degrees))
