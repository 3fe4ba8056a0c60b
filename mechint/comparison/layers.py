"""Each site of an entry beside the base's: of one depth the same layer, else the one at the nearest relative depth."""

from __future__ import annotations

from collections.abc import Iterator

from mechint.comparison.values import Entry, EntrySite, LayerDelta

__all__ = ["layer_deltas"]


def layer_deltas(entry: Entry, base: Entry) -> Iterator[LayerDelta]:
    """In the order of the layers; kinds that the base lacks are left out."""
    for site in entry.sites:
        candidates = [other for other in base.sites if other.kind == site.kind]
        if candidates:
            # Of two as near the earlier, so that the choice does not depend on rounding.
            nearest = min(candidates, key=lambda other: (round(abs(other.depth - site.depth), 9), other.layer))
            yield _delta(entry, site, nearest, same_scores=entry.scores_are == base.scores_are)


def _delta(entry: Entry, site: EntrySite, other: EntrySite, *, same_scores: bool) -> LayerDelta:
    scored = same_scores and site.mean_score is not None and other.mean_score is not None
    return LayerDelta(
        entry=entry.name,
        site=site.site,
        layer=site.layer,
        depth=site.depth,
        kind=site.kind,
        base_site=other.site,
        kept=site.kept,
        base_kept=other.kept,
        share=site.share,
        base_share=other.share,
        delta_kept=site.kept - other.kept if site.units == other.units else None,
        delta_share=site.share - other.share,
        delta_sparsity=other.share - site.share,
        delta_score=(site.mean_score or 0.0) - (other.mean_score or 0.0) if scored else None,
    )
