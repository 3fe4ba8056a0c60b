"""Reports and curves under the keys that trackers log them by, the same for every tracker.

Everything here stands in the item's report and in the files of its folder: a tracker mirrors them and computes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mechint.comparison.values import Comparison, Difference
from mechint.results.store import read_metrics
from mechint.results.values import ItemReport, SpecFacts

__all__ = [
    "DIFFERENCE_COLUMNS",
    "LAYER_COLUMNS",
    "VERDICT_COLUMNS",
    "base_summary",
    "config",
    "curve_point",
    "curve_points",
    "difference_rows",
    "figures",
    "layer_rows",
    "masks_name",
    "summary",
    "verdict_rows",
]

METRICS = "metrics.jsonl"
MASKS = "final_masks.pt"

LAYER_COLUMNS = ("layer", "site", "sparsity", "mean_importance", "std_importance", "n_channels", "n_kept", "n_pruned")
VERDICT_COLUMNS = ("assertion", "outcome", "actual", "reason")
DIFFERENCE_COLUMNS = ("group", *Difference.model_fields)


def config(spec: SpecFacts, report: ItemReport) -> dict[str, Any]:
    """What the item was asked for, and of which checkpoint: the spec, every option, path and hash."""
    plain = report.model_dump(
        mode="json", include={"id", "family", "cell", "method", "task", "seed", "checkpoint", "methodology"}
    )
    stated = spec.model_dump(mode="json", include={"path", "sha256", "name", "description"})
    return {"spec": stated, **{key: value for key, value in plain.items() if value is not None}}


def curve_point(values: Mapping[str, float | None]) -> dict[str, float]:
    """What one step of a search measured: ``mechint/loss``, ``mechint/sparsity``, …; what is not finite is left out."""
    finite = {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
    return {f"mechint/{name}": value for name, value in finite.items()}


def curve_points(folder: Path) -> list[dict[str, float]]:
    """Every step of the item's search, from its ``metrics.jsonl``; none where the search wrote none."""
    path = folder / METRICS
    rows = read_metrics(path) if path.is_file() else []
    return [curve_point({name: value for name, value in row.items() if name not in ("stage", "step")}) for row in rows]


def summary(report: ItemReport) -> dict[str, float | str]:
    """What the item came to: every measure, the sparsity of every site, the verdicts and the outcome.

    ``mechint/loss`` and ``mechint/sparsity`` are those of the circuit that was judged. A measure without a meaning is
    left out.
    """
    measures = {f"mechint/{name}": value for name, value in report.measures.items() if value is not None}
    sites = {f"mechint/sparsity/{site.site}": site.sparsity for site in report.sites}
    verdicts = {f"mechint/verdict/{verdict.text}": verdict.outcome.value for verdict in report.verdicts}
    error = {} if report.error is None else {"mechint/error": report.error.message}
    return {**measures, **sites, **verdicts, **error, "mechint/outcome": report.outcome.value}


def layer_rows(report: ItemReport) -> list[tuple[int | float | str | None, ...]]:
    """One row of ``LAYER_COLUMNS`` for each site."""
    return [
        (
            site.layer,
            site.site,
            site.sparsity,
            site.mean_score,
            site.std_score,
            site.units,
            site.kept,
            site.units - site.kept,
        )
        for site in report.sites
    ]


def verdict_rows(report: ItemReport) -> list[tuple[float | str | None, ...]]:
    """One row of ``VERDICT_COLUMNS`` for each assertion."""
    return [(verdict.text, verdict.outcome.value, verdict.actual, verdict.reason) for verdict in report.verdicts]


def base_summary(comparison: Comparison) -> dict[str, float | None]:
    """Sparsity and loss of what the others are compared with: a query over all runs of a project reads them of each."""
    group = comparison.groups[0]
    base = next(entry for entry in group.entries if entry.name == group.base)
    return {f"mechint/{name}": base.measures[name].value for name in ("sparsity", "loss") if name in base.measures}


def difference_rows(comparison: Comparison) -> list[tuple[float | str | None, ...]]:
    """One row of ``DIFFERENCE_COLUMNS`` for each difference of each group."""
    return [(group.name, *one.model_dump().values()) for group in comparison.groups for one in group.differences]


def figures(report: ItemReport, folder: Path) -> dict[str, Path]:
    """The item's drawings: ``mechint/viz/kv_channel_importance`` and its file."""
    drawn = (folder / name for name in report.artifacts if name.endswith(".png"))
    return {f"mechint/viz/{path.stem}": path for path in drawn if path.is_file()}


def masks_name(report: ItemReport) -> str:
    """What the item's ``final_masks.pt`` is called among others: ``kv_masks``, ``mlp_post_masks``."""
    kinds: Sequence[str] = list(dict.fromkeys(site.kind for site in report.sites))
    between = "" if all(len(kind) == 1 for kind in kinds) else "_"
    return f"{between.join(kinds)}_masks"
